// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/found_type.h"

#include <fmt/format.h>

#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxIndex = 1 << 20;

// The word before the name, as C has it, narrows what is meant.
std::string_view without_tag(std::string_view name, std::string_view& tag) {
  for (const std::string_view each : {"struct ", "union ", "enum "}) {
    if (!name.starts_with(each)) continue;
    tag = trim(each);
    return trim(name.substr(each.size()));
  }
  return name;
}

bool fits(const TypeInfo& type, std::string_view tag) {
  if (tag == "struct") return type.kind == TypeKind::kStruct;
  if (tag == "union") return type.kind == TypeKind::kUnion;
  return tag != "enum" || type.is_enum();
}

void add_types(const Btf& types, std::string_view name, std::string_view tag, const Module* module,
               std::vector<FoundType>& found) {
  for (const std::uint32_t id : types.named(name)) {
    const auto type = types.type(id);
    if (type && fits(*type, tag)) found.push_back({&types, id, module});
  }
}

// One step of a path: "name" or "[3]" at its start, which is cut off.
std::optional<TypePart> step(const Btf& types, std::uint32_t owner, std::string_view& path) {
  if (path.starts_with('[')) {
    const auto end = path.find(']');
    const auto index = parse_u64(path.substr(1, end == path.npos ? 0 : end - 1));
    const auto type = types.resolved(owner);
    const auto array = type ? types.array(*type) : std::nullopt;
    if (!index || !array || *index > kMaxIndex) return std::nullopt;
    if (*index >= array->count && array->count > 1) return std::nullopt;
    const auto size = types.size_of(array->element);
    if (!size) return std::nullopt;
    path.remove_prefix(end + 1);
    return TypePart{array->element, *index * *size, 0, 0};
  }
  const auto end = std::min(path.find_first_of(".["), path.size());
  const auto member = types.member(owner, path.substr(0, end));
  if (!member) return std::nullopt;
  path.remove_prefix(end);
  return TypePart{member->type, member->offset, member->bit_offset, member->bit_size};
}

}  // namespace

std::vector<FoundType> find_types(const Kernel& kernel, std::string_view name) {
  std::vector<FoundType> found;
  if (!kernel.types()) return found;
  std::string_view tag;
  name = without_tag(trim(name), tag);
  add_types(*kernel.types(), name, tag, nullptr, found);
  if (!found.empty() || !kernel.modules()) return found;
  for (const Module& module : kernel.modules()->all()) {
    if (const Btf* types = kernel.types_of(module)) add_types(*types, name, tag, &module, found);
  }
  return found;
}

std::optional<FoundType> find_variable(const Kernel& kernel, std::string_view name) {
  if (!kernel.types()) return std::nullopt;
  if (const auto id = kernel.types()->find(TypeKind::kVariable, name)) {
    return FoundType{&*kernel.types(), *id, nullptr};
  }
  if (!kernel.modules()) return std::nullopt;
  for (const Module& module : kernel.modules()->all()) {
    const Btf* types = kernel.types_of(module);
    const auto id = types ? types->find(TypeKind::kVariable, name) : std::nullopt;
    if (id) return FoundType{types, *id, &module};
  }
  return std::nullopt;
}

std::string near_types(const Kernel& kernel, std::string_view name) {
  if (!kernel.types()) return {};
  std::string_view tag;
  name = without_tag(trim(name), tag);
  std::vector<std::string> candidates;
  const Btf& types = *kernel.types();
  for (std::uint32_t id = 1; id <= types.type_count(); ++id) {
    const auto type = types.type(id);
    if (!type || type->name.empty() || name.empty() || type->name[0] != name[0]) continue;
    if (!type->has_members() && !type->is_enum() && type->kind != TypeKind::kTypedef) continue;
    candidates.emplace_back(type->name);
  }
  const auto found = nearest(name, candidates);
  return found ? fmt::format(", did you mean '{}'?", *found) : std::string();
}

std::optional<TypePart> find_part(const Btf& types, std::uint32_t owner, std::string_view path) {
  TypePart part{owner, 0, 0, 0};
  while (!path.empty()) {
    if (part.bit_size != 0) return std::nullopt;
    const auto next = step(types, part.type, path);
    if (!next) return std::nullopt;
    part = {next->type, part.offset + next->offset, next->bit_offset, next->bit_size};
    if (path.starts_with('.')) path.remove_prefix(1);
  }
  return part;
}

}  // namespace rig::analyzer
