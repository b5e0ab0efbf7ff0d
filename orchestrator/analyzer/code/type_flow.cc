// SPDX-License-Identifier: Apache-2.0
#include "analyzer/code/type_flow.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

using Kind = Operation::Kind;

constexpr std::string_view kPerCpuBase = "(per-CPU base)";

// What kernel code casts everywhere: the sum of two members is a pointer to a struct.
struct SumCast {
  std::string_view a, b;
  std::string_view result;
};
constexpr SumCast kSumCasts[] = {
    // include/linux/skbuff.h: skb_end_pointer(), skb_shinfo()
    {"sk_buff.head", "sk_buff.end", "skb_shared_info"},
};

// "foo.isra.0" does not take what foo takes.
bool was_changed(std::string_view function) {
  return function.find('.') != function.npos;
}

bool is_per_cpu_base(const std::optional<TypedValue>& value) {
  return value && value->member == kPerCpuBase;
}

bool same_type(const TypedValue& a, const TypedValue& b) {
  return a.is_pointer == b.is_pointer && a.offset == b.offset &&
         (a.type == b.type || (a.is_pointer && !a.pointee().empty() && a.pointee() == b.pointee()));
}

}  // namespace

std::string TypedValue::pointee() const {
  const auto to = is_pointer && types ? types->resolved(type) : std::nullopt;
  return to && to->has_members() ? std::string(to->name) : std::string();
}

std::optional<TypedValue> TypeFlow::typed(const Btf& types, std::uint32_t id) const {
  const auto type = types.resolved(id);
  if (!type || type->kind == TypeKind::kVoid) return std::nullopt;
  TypedValue value;
  value.types = &types;
  value.is_pointer = type->kind == TypeKind::kPointer;
  value.type = value.is_pointer ? type->word : id;
  return value;
}

std::optional<TypeFlow::Prototype> TypeFlow::prototype(const std::string& function,
                                                       const Module* module) {
  const auto [known, first] =
      prototypes_.try_emplace(std::pair(function, module), std::optional<Prototype>());
  if (!first || was_changed(function)) return known->second;
  const Kernel& kernel = machine_.kernel;
  const Btf* types = module           ? kernel.types_of(*module)
                     : kernel.types() ? &*kernel.types()
                                      : nullptr;
  const auto id = types ? types->find(TypeKind::kFunction, function) : std::nullopt;
  const auto declared = id ? types->type(*id) : std::nullopt;
  const auto info = declared ? types->type(declared->word) : std::nullopt;
  if (info && info->kind == TypeKind::kPrototype) known->second = Prototype{types, *info};
  return known->second;
}

bool TypeFlow::speaks_of(const Function& function, std::string_view structure) {
  const auto found = prototype(function.name(), function.module());
  if (!found) return false;
  const auto is = [&](std::uint32_t id) {
    const auto value = typed(*found->types, id);
    return value && value->pointee() == structure;
  };
  for (std::uint32_t i = 0; i < found->info.count; ++i) {
    const auto parameter = found->types->parameter(found->info, i);
    if (parameter && is(parameter->type)) return true;
  }
  return is(found->info.word);
}

std::optional<TypedValue> TypeFlow::argument(Activation& in, const Definition& entry, Register reg,
                                             unsigned depth) {
  const auto& arguments = machine_.set.arguments;
  const auto number = std::ranges::find(arguments, reg) - arguments.begin();
  const auto found = prototype(in.function().name(), in.function().module());
  if (found && static_cast<std::size_t>(number) < arguments.size()) {
    // A struct by value takes other registers than one.
    for (std::uint32_t i = 0; i <= static_cast<std::uint32_t>(number); ++i) {
      const auto parameter = found->types->parameter(found->info, i);
      const auto type = parameter ? found->types->resolved(parameter->type) : std::nullopt;
      if (!type || type->has_members() || type->kind == TypeKind::kVoid) return std::nullopt;
      if (i == static_cast<std::uint32_t>(number)) return typed(*found->types, parameter->type);
    }
  }
  Activation* outer = depth > 0 ? in.caller(entry.before) : nullptr;
  if (!outer || !outer->proven()) return std::nullopt;
  return type_of(*outer, outer->index(), outer->known(), reg, depth - 1);
}

std::optional<TypedValue> TypeFlow::result_of(Activation& in, const Operation& call) {
  const auto to = call.target ? machine_.kernel.code(*call.target) : std::nullopt;
  if (!to || to->offset != 0) return std::nullopt;
  const Module* module = to->module.empty() ? nullptr : in.function().module();
  const auto found = prototype(to->function, module);
  return found ? typed(*found->types, found->info.word) : std::nullopt;
}

std::optional<TypedValue> TypeFlow::type_of(Activation& in, std::uint32_t at, const Known& known,
                                            Register reg, unsigned depth) {
  if (depth == 0 || reg == kNoRegister) return std::nullopt;
  const Key key{&in, at, reg};
  // A loop that leads back here adds nothing.
  const auto [entry, first] = known_.try_emplace(key, std::optional<TypedValue>());
  if (!first) return entry->second;
  const Reaching found = in.reaching(at, known, Location::of(reg));
  std::optional<TypedValue> all;
  for (const Definition& each : found.all) {
    auto one = each.at == Definition::kEntry ? argument(in, each, reg, depth - 1)
                                             : set_by(in, each, reg, depth - 1);
    if (!one) continue;
    if (all && !same_type(*all, *one)) return std::nullopt;
    if (!all) all = std::move(one);
  }
  if (!found.complete) all.reset();
  known_[key] = all;
  return all;
}

std::optional<std::string> TypeFlow::per_cpu_variable(const AddressForm& form) const {
  if (!form.per_cpu || form.registers() != 0) return std::nullopt;
  const VirtAddr at{static_cast<std::uint64_t>(form.displacement)};
  const auto found = machine_.kernel.nearest_per_cpu(at);
  if (!found || found->address != at) return std::nullopt;
  return found->name;
}

std::optional<TypedValue> TypeFlow::loaded(Activation& in, const Definition& by,
                                           const Operation& each, std::uint64_t behind,
                                           unsigned depth) {
  if (const auto name = per_cpu_variable(each.memory)) {
    if (*name == "this_cpu_off")
      return TypedValue{nullptr, 0, false, 0, std::string(kPerCpuBase), {}, {}};
    const auto& types = machine_.kernel.types();
    const auto id = types ? types->find(TypeKind::kVariable, *name) : std::nullopt;
    const auto variable = id ? types->type(*id) : std::nullopt;
    return variable ? typed(*types, variable->word) : std::nullopt;
  }
  AddressForm form = each.memory;
  form.displacement += static_cast<std::int64_t>(behind);
  const auto where = place(in, by.at, by.before, form, each.bytes, depth);
  if (!where || where->member.within != 0) return std::nullopt;
  auto value = typed(*where->types, where->member.type);
  if (!value) return std::nullopt;
  value->member = where->member.path;
  value->owner = where->owner;
  return value;
}

std::optional<TypedValue> TypeFlow::set_by(Activation& in, const Definition& by, Register reg,
                                           unsigned depth) {
  const Operation& each = in.function()[by.at];
  if (reg == each.moved_base) return std::nullopt;
  if (each.kind == Kind::kLoad) {
    return loaded(in, by, each, reg == each.to ? 0 : each.bytes, depth);
  }
  if (each.kind == Kind::kCall && reg == machine_.set.result) return result_of(in, each);
  if (reg != each.to) return std::nullopt;
  switch (each.kind) {
    case Kind::kMove:
      return type_of(in, by.at, by.before, each.from, depth);
    case Kind::kSum:
      return sum(in, by, each.memory, depth);
    case Kind::kAddLoaded:
      return add(type_of(in, by.at, by.before, each.to, depth), loaded(in, by, each, 0, depth));
    case Kind::kPerCpuBase:
      return TypedValue{nullptr, 0, false, 0, std::string(kPerCpuBase), {}, {}};
    case Kind::kCurrent: {
      const auto& types = machine_.kernel.types();
      const auto ids = types ? types->named("task_struct") : std::vector<std::uint32_t>{};
      if (ids.empty()) return std::nullopt;
      return TypedValue{&*types, ids.front(), true, 0, {}, {}, {}};
    }
    default:
      return std::nullopt;
  }
}

std::optional<TypedValue> TypeFlow::add(const std::optional<TypedValue>& a,
                                        const std::optional<TypedValue>& b) const {
  if (!a || !b) return std::nullopt;
  if (is_per_cpu_base(a)) return b->is_pointer ? b : std::nullopt;
  if (is_per_cpu_base(b)) return a->is_pointer ? a : std::nullopt;
  for (const SumCast& cast : kSumCasts) {
    const bool this_way = a->member == cast.a && b->member == cast.b;
    const bool that_way = a->member == cast.b && b->member == cast.a;
    if ((!this_way && !that_way) || !a->types) continue;
    const auto ids = a->types->named(cast.result);
    if (ids.empty()) return std::nullopt;
    return TypedValue{
        a->types, ids.front(), true, 0, {}, a->owner, fmt::format("{} + {}", cast.a, cast.b)};
  }
  return std::nullopt;
}

// Of a sum. The CPU's own base may come from anywhere: its value tells.
std::optional<TypedValue> TypeFlow::term(Activation& in, const Definition& by, Register reg,
                                         unsigned depth) {
  const auto value = in.evaluate(by.at, by.before, reg, 2);
  if (value && *value != 0 && value == machine_.per_cpu_base) {
    return TypedValue{nullptr, 0, false, 0, std::string(kPerCpuBase), {}, {}};
  }
  return type_of(in, by.at, by.before, reg, depth);
}

std::optional<TypedValue> TypeFlow::sum(Activation& in, const Definition& by,
                                        const AddressForm& form, unsigned depth) {
  if (form.index == kNoRegister) {
    auto base = type_of(in, by.at, by.before, form.base, depth);
    if (base && base->is_pointer) base->offset += form.displacement;
    return base && base->is_pointer ? base : std::nullopt;
  }
  if (form.scale != 1) return std::nullopt;
  auto both = add(term(in, by, form.base, depth), term(in, by, form.index, depth));
  if (both) both->offset += form.displacement;
  return both;
}

std::optional<TypedPlace> TypeFlow::place(Activation& in, std::uint32_t at, const Known& known,
                                          const AddressForm& form, std::uint64_t size,
                                          unsigned depth) {
  std::optional<TypedValue> base;
  std::optional<std::uint64_t> address;
  std::int64_t displacement = form.displacement;
  if (form.index == kNoRegister) {
    base = type_of(in, at, known, form.base, depth);
    address = in.evaluate(at, known, form.base);
  } else {
    const Definition here{at, known, known};
    AddressForm start = form;
    start.displacement = 0;
    base = sum(in, here, start, depth);
    if (const auto value = in.address(at, known, start)) address = raw(*value);
    if (!base) {
      // An array of the struct: how far in, its index tells.
      base = type_of(in, at, known, form.base, depth);
      const auto index = in.evaluate(at, known, form.index);
      address = in.evaluate(at, known, form.base);
      if (!index || *index > 1 << 20) return std::nullopt;
      displacement += static_cast<std::int64_t>(*index * form.scale);
    }
  }
  if (!base || !base->is_pointer || !base->types) return std::nullopt;
  TypedPlace found;
  found.types = base->types;
  const std::int64_t offset = base->offset + displacement;
  const auto target = base->types->resolved(base->type);
  if (target && target->kind == TypeKind::kPointer && offset == 0 && !form.per_cpu) {
    // What a pointer to a pointer leads to has a type, but no name.
    found.member = {{}, base->type, 0};
    return found;
  }
  auto member = member_at(*base->types, base->type, offset, size);
  if (!member) return std::nullopt;
  found.member = *std::move(member);
  found.owner_type = base->pointee();
  if (address) found.owner = *address - static_cast<std::uint64_t>(base->offset);
  found.because = base->because;
  if (base->because.empty()) {
    found.through = base->member;
    found.through_owner = base->owner;
  }
  if (!base->because.empty()) {
    found.cast_owner = base->owner;
    found.cast_type = base->because.substr(0, base->because.find('.'));
  }
  return found;
}

}  // namespace rig::analyzer
