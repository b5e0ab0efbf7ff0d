// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/btf_text.h"

#include <fmt/format.h>

namespace rig::analyzer {
namespace {

// Prototypes nest in prototypes, and hostile ones in themselves.
constexpr unsigned kMaxLinks = 64;
constexpr unsigned kMaxPrototypes = 4;
constexpr std::uint32_t kMaxParameters = 64;

std::string declare(const Btf& types, std::uint32_t id, std::string_view name, unsigned depth);

std::string parameters(const Btf& types, const TypeInfo& prototype, unsigned depth) {
  if (depth == 0) return "...";
  if (prototype.count == 0) return "void";
  std::string text;
  for (std::uint32_t i = 0; i < prototype.count; ++i) {
    if (!text.empty()) text += ", ";
    const auto each = types.parameter(prototype, i);
    if (!each || i == kMaxParameters || (each->type == 0 && each->name.empty())) {
      return text + "...";
    }
    text += declare(types, each->type, {}, depth - 1);
  }
  return text;
}

// The compiler's spelling to the sources'.
std::string_view usual_name(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"short int", "short"},
      {"long int", "long"},
      {"long long int", "long long"},
      {"short unsigned int", "unsigned short"},
      {"long unsigned int", "unsigned long"},
      {"long long unsigned int", "unsigned long long"},
  };
  for (const auto& [compilers, usual] : kNames) {
    if (name == compilers) return usual;
  }
  return name;
}

std::string_view qualifier(TypeKind kind) {
  if (kind == TypeKind::kConst) return "const";
  if (kind == TypeKind::kVolatile) return "volatile";
  return kind == TypeKind::kRestrict ? "restrict" : "";
}

// From the name outwards: what is around it so far is `inner`, and `id` is what that is one of.
std::string declare(const Btf& types, std::uint32_t id, std::string_view name, unsigned depth) {
  std::string inner(name);
  std::string qualifiers;  // of the innermost thing that `id` leads to
  bool pointer = false;    // `inner` begins with a '*' that an array or a function must bracket
  for (unsigned links = 0; links < kMaxLinks; ++links) {
    const auto type = types.type(id);
    if (!type) return fmt::format("<unknown type {}> {}", id, inner);
    if (pointer && (type->kind == TypeKind::kArray || type->kind == TypeKind::kPrototype)) {
      inner = "(" + inner + ")";
      pointer = false;
    }
    switch (type->kind) {
      case TypeKind::kPointer:
        inner = "*" + qualifiers + (qualifiers.empty() || inner.empty() ? "" : " ") + inner;
        qualifiers.clear();
        pointer = true;
        id = type->word;
        continue;
      case TypeKind::kConst:
      case TypeKind::kVolatile:
      case TypeKind::kRestrict:
        // Of an array and of its elements it is the same.
        if (qualifiers.find(qualifier(type->kind)) == std::string::npos) {
          qualifiers += (qualifiers.empty() ? "" : " ") + std::string(qualifier(type->kind));
        }
        id = type->word;
        continue;
      case TypeKind::kTypeTag:
        id = type->word;
        continue;
      case TypeKind::kArray: {
        const auto array = types.array(*type);
        if (!array) return "<broken array>";
        inner += fmt::format("[{}]", array->count);
        id = array->element;
        continue;
      }
      case TypeKind::kPrototype:
        inner += "(" + parameters(types, *type, depth) + ")";
        id = type->word;
        continue;
      case TypeKind::kFunction:
      case TypeKind::kVariable:
        if (inner.empty()) inner = type->name;
        id = type->word;
        continue;
      default:
        break;
    }
    if (!qualifiers.empty()) qualifiers += ' ';
    return qualifiers + type_name(*type) + (inner.empty() ? "" : " ") + inner;
  }
  return fmt::format("<endless type> {}", inner);
}

}  // namespace

std::string type_name(const TypeInfo& type) {
  const auto tagged = [&](std::string_view tag) {
    return fmt::format("{} {}", tag, type.name.empty() ? "{...}" : type.name);
  };
  switch (type.kind) {
    case TypeKind::kVoid:
      return "void";
    case TypeKind::kStruct:
      return tagged("struct");
    case TypeKind::kUnion:
      return tagged("union");
    case TypeKind::kEnum:
    case TypeKind::kEnum64:
      return tagged("enum");
    case TypeKind::kForward:
      return tagged(type.flag ? "union" : "struct");
    case TypeKind::kInt:
      return std::string(usual_name(type.name));
    default:
      return std::string(type.name);
  }
}

std::string declaration(const Btf& types, std::uint32_t id, std::string_view name) {
  return declare(types, id, name, kMaxPrototypes);
}

}  // namespace rig::analyzer
