// SPDX-License-Identifier: Apache-2.0
#include "analyzer/code/activation.h"

#include "analyzer/arch/arm64_kernel.h"
#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

using Kind = Operation::Kind;

constexpr unsigned kMaxVeneer = 4;  // instructions
constexpr std::uint64_t kMaxStack = 64 << 10;

// Modules reach far functions through a few instructions that compute the address (arm64:
// arch/arm64/kernel/module-plts.c).
std::optional<VirtAddr> call_target(Machine& machine, const Operation& call, const Known& known) {
  const Register through = called_through(machine, call);
  if (!call.target || through != kNoRegister) {
    const auto value = known.get(through);
    return value ? std::optional(VirtAddr{*value}) : std::nullopt;
  }
  Known there;
  VirtAddr at = *call.target;
  for (unsigned i = 0; i < kMaxVeneer; ++i) {
    std::array<std::byte, 4> bytes{};
    if (machine.set.arch != Arch::kArm64 || !machine.kernel.memory().read(at, bytes)) break;
    const Operation each = machine.decoder.decode(bytes, at);
    if (each.kind == Kind::kJump && each.from != kNoRegister) {
      const auto value = there.get(each.from);
      return value ? VirtAddr{*value} : *call.target;
    }
    const auto sum = each.kind == Kind::kSum ? value_of(each.memory, there) : std::nullopt;
    if (each.kind == Kind::kConstant) {
      there.set(each.to, each.value);
    } else if (sum) {
      there.set(each.to, *sum);
    } else if (each.kind != Kind::kOther || each.writes != 0) {
      break;
    }
    at += each.size;
  }
  return call.target;
}

// "rax" of "RAX", "r8" of "R08".
std::string assembler_name(std::string_view kernels) {
  std::string name(kernels);
  for (char& each : name) {
    if (each >= 'A' && each <= 'Z') each = static_cast<char>(each - 'A' + 'a');
  }
  if (name.size() == 3 && name[1] == '0') name.erase(1, 1);
  return name;
}

}  // namespace

// arch/x86/lib/retpoline.S: one thunk for each register, in the order of their numbers.
Register called_through(const Machine& machine, const Operation& call) {
  constexpr std::uint64_t kThunk = 32;
  constexpr std::string_view kPrefix = "__x86_indirect_thunk_";
  if (!call.target) return call.from;
  if (machine.set.arch != Arch::kX86_64) return kNoRegister;
  const auto to = machine.kernel.code(*call.target);
  if (!to || !to->function.starts_with(kPrefix)) return kNoRegister;
  const auto name = std::string_view(to->function).substr(kPrefix.size());
  if (name == "array") return static_cast<Register>(to->offset / kThunk % 16);
  for (Register reg = 0; reg < machine.set.names.size(); ++reg) {
    if (assembler_name(machine.set.names[reg]) == name) return reg;
  }
  return kNoRegister;
}

std::optional<std::uint64_t> load_number(const VirtMemory& memory, VirtAddr at, unsigned bytes) {
  std::uint64_t value = 0;
  if (bytes == 0 || bytes > sizeof(value)) return std::nullopt;
  const auto all = std::as_writable_bytes(std::span(&value, 1));
  if (!memory.read(at, all.first(bytes))) return std::nullopt;
  return value;
}

Activation::Activation(Machine& machine, Function function, std::uint32_t index, const Known& known,
                       VirtAddr floor)
    : machine_(machine),
      function_(std::move(function)),
      flow_(function_, machine.set, machine.kernel.memory(), floor),
      floor_(floor),
      index_(index),
      known_(known) {}

std::unique_ptr<Activation> Activation::at(Machine& machine, VirtAddr pc, const Known& known) {
  auto function = Function::read(machine.kernel, machine.decoder, pc);
  const auto index = function ? function->at(pc) : std::nullopt;
  if (!index) return nullptr;
  return std::unique_ptr<Activation>(new Activation(machine, *std::move(function), *index, known));
}

bool Activation::is_overwritten(VirtAddr address) const {
  return address < floor_ && floor_ - address < kMaxStack;
}

Reaching Activation::reaching(std::uint32_t at, const Known& known, Location where) const {
  if (machine_.budget == 0) return {{}, false};
  --machine_.budget;
  return flow_.reaching(at, known, where);
}

std::optional<std::uint64_t> Activation::evaluate(std::uint32_t at, const Known& known,
                                                  Register reg, unsigned depth) {
  if (const auto value = known.get(reg)) return value;
  if (depth == 0 || reg == kNoRegister) return std::nullopt;
  const Reaching found = reaching(at, known, Location::of(reg));
  if (!found.complete || found.all.size() != 1) return std::nullopt;
  const Definition& only = found.all.front();
  // A copy that was made in between may still be there.
  if (const auto value = only.after.get(reg)) return value;
  if (only.at != Definition::kEntry) return value_set_by(only, reg, depth - 1);
  Activation* outer = caller(only.before);
  if (!outer || !outer->proven()) return std::nullopt;
  return outer->evaluate(outer->index(), outer->known(), reg, depth - 1);
}

std::optional<VirtAddr> Activation::address(std::uint32_t at, const Known& known,
                                            const AddressForm& form, unsigned depth) {
  Known full = known;
  for (const Register reg : {form.base, form.index}) {
    if (reg == kNoRegister || full.has(reg)) continue;
    const auto value = evaluate(at, known, reg, depth);
    if (!value) return std::nullopt;
    full.set(reg, *value);
  }
  auto value = value_of(form, full);
  if (value && form.per_cpu) {
    if (!machine_.per_cpu_base) return std::nullopt;
    *value += *machine_.per_cpu_base;
  }
  return value ? std::optional(VirtAddr{*value}) : std::nullopt;
}

std::optional<std::uint64_t> Activation::value_set_by(const Definition& definition, Register reg,
                                                      unsigned depth) {
  const Operation& each = function_[definition.at];
  const Known& before = definition.before;
  const auto loaded = [&](std::uint64_t behind) -> std::optional<std::uint64_t> {
    const auto from = address(definition.at, before, each.memory, depth);
    if (!from || is_overwritten(*from)) return std::nullopt;
    const auto value = load_number(machine_.kernel.memory(), *from + behind, each.bytes);
    return value ? std::optional(extended(each, *value)) : std::nullopt;
  };
  if (reg == each.moved_base) return std::nullopt;
  if (each.kind == Kind::kLoad) return loaded(reg == each.to ? 0 : each.bytes);
  if (reg != each.to) return std::nullopt;
  switch (each.kind) {
    case Kind::kConstant:
      return each.value;
    case Kind::kCurrent:
      return machine_.current;
    case Kind::kPerCpuBase:
      return machine_.per_cpu_base;
    case Kind::kMove: {
      const auto value = evaluate(definition.at, before, each.from, depth);
      return value ? std::optional(extended(each, *value)) : std::nullopt;
    }
    case Kind::kShiftRight: {
      const auto value = evaluate(definition.at, before, each.from, depth);
      return value && each.value < 64 ? std::optional(*value >> each.value) : std::nullopt;
    }
    case Kind::kSum: {
      const auto value = address(definition.at, before, each.memory, depth);
      return value ? std::optional(raw(*value)) : std::nullopt;
    }
    case Kind::kAddLoaded: {
      const auto value = evaluate(definition.at, before, each.to, depth);
      const auto added = value ? loaded(0) : std::nullopt;
      return added ? std::optional(*value + *added) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

// `function` was called and jumped on to `callee` as its last deed: its frame is gone.
std::unique_ptr<Activation> Activation::jumping(Machine& machine, VirtAddr callee,
                                                VirtAddr function, const Known& entry) {
  auto found = Function::read(machine.kernel, machine.decoder, function);
  const auto sp = entry.get(machine.set.stack);
  if (!found || found->begin() != function || !sp) return nullptr;
  std::optional<std::uint32_t> jump;
  for (std::uint32_t i = 0; i < found->operations().size(); ++i) {
    const Operation& each = (*found)[i];
    if ((each.kind != Kind::kJump && each.kind != Kind::kBranch) || each.target != callee) continue;
    if (jump) return nullptr;
    jump = i;
  }
  if (!jump) return nullptr;
  return std::unique_ptr<Activation>(
      new Activation(machine, *std::move(found), *jump, entry, VirtAddr{*sp}));
}

Activation* Activation::caller(const Known& entry) {
  if (!caller_) caller_ = calling(machine_, function_.begin(), entry);
  return caller_->get();
}

std::unique_ptr<Activation> Activation::calling(Machine& machine, VirtAddr callee,
                                                const Known& entry) {
  const InstructionSet& set = machine.set;
  const auto sp = entry.get(set.stack);
  Known outer = entry;
  std::optional<std::uint64_t> back;
  if (set.link != kNoRegister) {
    back = entry.get(set.link);
    outer.forget(set_of(set.link));
  } else if (sp) {
    back = load_number(machine.kernel.memory(), VirtAddr{*sp}, kWord);
    outer.set(set.stack, *sp + kWord);
  }
  if (!back) return nullptr;
  VirtAddr pc{*back};
  if (set.arch == Arch::kArm64) pc = without_pac(machine.kernel.info(), pc);
  if (!machine.kernel.is_code(pc - 1)) return nullptr;
  auto function = Function::read(machine.kernel, machine.decoder, pc - 1);
  const auto call = function ? function->ending_at(pc) : std::nullopt;
  if (!call || (*function)[*call].kind != Kind::kCall) return nullptr;
  const auto target = call_target(machine, (*function)[*call], outer);
  if (target && machine.without_tag(*target) != machine.without_tag(callee))
    return jumping(machine, callee, *target, entry);
  std::unique_ptr<Activation> found(new Activation(machine, *std::move(function), *call, outer));
  found->proven_ = target.has_value();
  return found;
}

}  // namespace rig::analyzer
