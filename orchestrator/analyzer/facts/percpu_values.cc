// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/percpu_values.h"

#include <algorithm>

#include "analyzer/facts/percpu.h"
#include "analyzer/symbols/symbol_address.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxValue = 8;

// Where each CPU's copy lies, and what of it is wanted.
struct Wanted {
  VirtAddr pointer{};
  Member value;
  bool is_signed = false;
};

struct TypeOfIt {
  const Btf* types = nullptr;
  std::uint32_t id = 0;
};

bool has_sign(const Btf& types, std::uint32_t id) {
  const auto type = types.resolved(id);
  const auto integer = type ? types.integer(*type) : std::nullopt;
  return integer && integer->is_signed;
}

// Of the kernel, else of the first module that has it.
std::optional<TypeOfIt> type_named(const Kernel& kernel, std::string_view name) {
  if (const auto ids = kernel.types()->named(name); !ids.empty()) {
    return TypeOfIt{&*kernel.types(), ids.front()};
  }
  if (!kernel.modules()) return std::nullopt;
  for (const Module& module : kernel.modules()->all()) {
    const Btf* types = kernel.types_of(module);
    if (types == nullptr) continue;
    if (const auto ids = types->named(name); !ids.empty()) return TypeOfIt{types, ids.front()};
  }
  return std::nullopt;
}

// The type of a static per-CPU variable: the only variables that BTF knows.
std::optional<TypeOfIt> type_of_variable(const Btf& types, std::string_view name) {
  const auto id = types.find(TypeKind::kVariable, name);
  const auto variable = id ? types.type(*id) : std::nullopt;
  if (!variable) return std::nullopt;
  return TypeOfIt{&types, variable->word};
}

std::optional<TypeOfIt> type_of_variable(const Kernel& kernel, std::string_view name) {
  if (const auto found = type_of_variable(*kernel.types(), name)) return found;
  if (!kernel.modules()) return std::nullopt;
  for (const Module& module : kernel.modules()->all()) {
    const Btf* types = kernel.types_of(module);
    if (types == nullptr) continue;
    if (const auto found = type_of_variable(*types, name)) return found;
  }
  return std::nullopt;
}

Result<Wanted> part_of(const TypeOfIt& type, std::string_view path, VirtAddr pointer,
                       std::string_view name) {
  Wanted wanted{pointer, {}, false};
  std::uint32_t id = type.id;
  if (path.empty()) {
    wanted.value.size = type.types->size_of(id).value_or(0);
  } else {
    const auto owner = type.types->resolved(id);
    const auto member = owner ? type.types->member(owner->id, path) : std::nullopt;
    if (!member) return fail(Blame::kInput, "'{}' has no member '{}' in this kernel", name, path);
    wanted.value = *member;
    id = member->type;
  }
  if (wanted.value.size == 0 || wanted.value.size > kMaxValue) {
    return fail(Blame::kInput, "'{}' is no number: {} bytes", name, wanted.value.size);
  }
  wanted.is_signed = has_sign(*type.types, id);
  return wanted;
}

Result<Wanted> find_wanted(const Kernel& kernel, std::string_view name) {
  if (!kernel.types()) return fail(Blame::kInput, "this core has no types");
  const auto arrow = name.find("->");
  const std::string_view path = arrow == name.npos ? name : name.substr(arrow + 2);
  const auto dot = path.find('.');
  const std::string_view head = path.substr(0, dot);
  const std::string_view rest = dot == path.npos ? std::string_view() : path.substr(dot + 1);
  if (arrow == name.npos) {
    auto at = kernel.symbol(head);
    if (!at && kernel.modules()) at = kernel.modules()->per_cpu(head);
    const auto type = type_of_variable(kernel, head);
    if (!at || !type) return fail(Blame::kInput, "there is no per-CPU variable '{}'", head);
    return part_of(*type, rest, *at, name);
  }
  const std::string_view variable = name.substr(0, arrow);
  const auto holder = symbol_address(kernel, variable);
  if (!holder) return fail(Blame::kInput, "there is no variable '{}'", variable);
  const auto pointer = kernel.memory().load<std::uint64_t>(*holder);
  if (!pointer || *pointer == 0) return fail(Blame::kInput, "'{}' points nowhere", variable);
  const auto type = type_named(kernel, head);
  if (!type) return fail(Blame::kInput, "there is no type '{}'", head);
  return part_of(*type, rest, VirtAddr{*pointer}, name);
}

std::optional<std::uint64_t> read_value(const VirtMemory& memory, const Wanted& wanted,
                                        VirtAddr copy) {
  std::vector<std::byte> bytes(wanted.value.size);
  if (!memory.read(copy + wanted.value.offset, bytes)) return std::nullopt;
  Member at_start = wanted.value;
  at_start.offset = 0;
  auto value = extract(at_start, bytes);
  const unsigned bits = wanted.value.bit_size != 0 ? wanted.value.bit_size
                                                   : static_cast<unsigned>(8 * wanted.value.size);
  if (value && wanted.is_signed && bits < 64 && (*value >> (bits - 1) & 1) != 0) {
    *value |= ~std::uint64_t{0} << bits;
  }
  return value;
}

}  // namespace

PerCpuFacts percpu_values(Session& session, std::string_view name) {
  PerCpuFacts facts{std::string(name), {}, {}};
  const auto kernel = session.kernel();
  if (!kernel) {
    facts.problem = kernel.error().message();
    return facts;
  }
  const auto wanted = find_wanted(**kernel, name);
  if (!wanted) {
    facts.problem = wanted.error().message();
    return facts;
  }
  PerCpu areas(**kernel, static_cast<unsigned>(session.core().cpus().size()),
               session.arch().layout(**kernel).page_size);
  const bool by_pointer = name.find("->") != name.npos;
  if (by_pointer && !areas.place(wanted->pointer) && areas.complete()) {
    facts.problem =
        fmt::format("'{}' holds {}, which is no per-CPU pointer", name, wanted->pointer);
    return facts;
  }
  for (unsigned cpu = 0; cpu < areas.offsets().size(); ++cpu) {
    if (areas.offsets()[cpu] == 0) continue;
    const auto value = read_value((*kernel)->memory(), *wanted, areas.on(cpu, wanted->pointer));
    if (value) facts.values.push_back({cpu, *value});
  }
  if (facts.values.empty()) facts.problem = fmt::format("'{}' cannot be read on any CPU", name);
  return facts;
}

}  // namespace rig::analyzer
