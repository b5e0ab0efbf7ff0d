// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/fault.h"

#include <algorithm>

#include "analyzer/facts/fault_check.h"
#include "analyzer/facts/fault_trace.h"
#include "analyzer/facts/fault_words.h"
#include "analyzer/facts/session.h"

namespace rig::analyzer {
namespace {

using Kind = Operation::Kind;

// arch/x86/include/asm/trap_pf.h
constexpr std::uint64_t kPfWrite = 1 << 1, kPfExecute = 1 << 4;
// ESR_EL1: Arm ARM, D17.2.37
constexpr unsigned kEsrClass = 26;
constexpr std::uint64_t kEsrWrite = 1 << 6;

Known known_registers(const InstructionSet& set, const ExceptionFacts& exception) {
  Known known;
  for (const RegisterValue& each : exception.registers) {
    const Register number = set.number(each.name);
    if (number != kNoRegister) known.set(number, each.value);
  }
  return known;
}

bool was_execution(Arch arch, const ExceptionFacts& facts) {
  const auto code = facts.error_code;
  if (!code || !facts.address) return false;
  if (arch == Arch::kX86_64)
    return (*code & kPfExecute) != 0 && raw(facts.at->address) == *facts.address;
  const auto type = *code >> kEsrClass & 0x3f;
  return type == 0x20 || type == 0x21;
}

std::string access_words(Arch arch, const ExceptionFacts& facts, const Operation& each) {
  const bool of_memory = facts.address.has_value() && facts.error_code.has_value();
  if (of_memory && arch == Arch::kX86_64) {
    return (*facts.error_code & kPfWrite) != 0 ? "write" : "read";
  }
  const auto type = facts.error_code.value_or(0) >> kEsrClass & 0x3f;
  if (arch == Arch::kArm64 && (type == 0x24 || type == 0x25)) {
    return (*facts.error_code & kEsrWrite) != 0 ? "write" : "read";
  }
  return each.writes_memory() ? "write" : "read";
}

// Everything that following one fault needs.
class Follower {
 public:
  Follower(Session& session, const Kernel& kernel, const FoundException& exception,
           Decoder& decoder, Disassembler& text)
      : session_(session),
        kernel_(kernel),
        exception_(exception.facts),
        set_(instruction_set(session.arch().arch)),
        known_(known_registers(set_, exception.facts)),
        machine_{kernel, set_, decoder, kernel.per_cpu_offset(exception.facts.cpu), {}},
        types_(machine_),
        stacks_(1, exception.stack),
        trace_(machine_, types_, text, stacks_) {
    if (exception_.task) machine_.current = raw(*exception_.task);
    facts_.at = *exception_.at;
    facts_.address = exception_.address;
  }

  std::optional<FaultFacts> follow() {
    if (!kernel_.is_code(facts_.at.address)) {
      executed();
    } else if (auto here = Activation::at(machine_, facts_.at.address, known_)) {
      decoded(*here);
    } else {
      facts_.verdict = fmt::format("the code at {} cannot be read or decoded", facts_.at.address);
    }
    return std::move(facts_);
  }

 private:
  void decoded(Activation& here) {
    const Operation& each = here.function()[here.index()];
    facts_.instruction = trace_.instruction(each.at, each.size);
    if (each.kind == Kind::kTrap) {
      facts_.access = "check";
      explain_check(here, trace_, facts_);
      return;
    }
    if (exception_is("divide")) return divided(here, each);
    if (was_execution(set_.arch, exception_)) return executed();
    if (!goes_to_memory(each)) {
      facts_.verdict =
          fmt::format("{} does not go to memory: nothing can be followed", facts_.instruction);
      return;
    }
    facts_.access = access_words(set_.arch, exception_, each);
    facts_.size = each.kind == Kind::kUnknown ? 0 : each.bytes;
    if (each.kind == Kind::kPush || each.kind == Kind::kPop) return on_stack(each);
    const AddressForm* form = form_at_fault(here, each);
    if (!form) {
      facts_.verdict = fmt::format(
          "the operand of {} is not at the address of the fault: nothing can be followed",
          facts_.instruction);
      return;
    }
    if (const auto checked = trace_.kasan_check(here, here.index(), known_)) {
      return accessed_behind_check(here, *checked);
    }
    accessed(here, *form, each);
  }

  // The address that KASAN's code looked up is the one that counts.
  void accessed_behind_check(Activation& here, const FaultTrace::Checked& checked) {
    facts_.size = 0;
    facts_.address = checked.address;
    facts_.reg = set_.name(checked.reg);
    facts_.value = checked.value;
    facts_.offset = static_cast<std::int64_t>(checked.address - checked.value);
    AddressForm form;
    form.base = checked.reg;
    form.displacement = facts_.offset;
    const Definition& at = checked.at;
    if (const auto member = types_.place(here, at.at, at.before, form, 0)) {
      facts_.member = member->member.path;
    }
    Known known = at.before;
    known.set(checked.reg, checked.value);
    take(trace_.follow(here, at.at, known, Location::of(checked.reg), checked.value));
    facts_.verdict = "at KASAN's check before the access, " + facts_.verdict;
  }

  static bool goes_to_memory(const Operation& each) {
    return each.accesses || each.kind == Kind::kPush || each.kind == Kind::kPop;
  }
  bool exception_is(std::string_view what) const {
    return exception_.source.find(fmt::format("by asm_exc_{}", what)) != std::string::npos;
  }

  void on_stack(const Operation&) {
    facts_.reg = set_.name(set_.stack);
    facts_.value = known_.get(set_.stack).value_or(0);
    facts_.verdict =
        fmt::format("{} held {:#x}: the stack itself cannot be used", facts_.reg, facts_.value);
  }

  // Which of the instruction's operands lies where the fault was; a general protection fault does
  // not tell an address.
  const AddressForm* form_at_fault(Activation& here, const Operation& each) {
    for (const AddressForm* form : {&each.memory, each.memory2 ? &*each.memory2 : nullptr}) {
      const auto at = form ? here.address(here.index(), known_, *form) : std::nullopt;
      if (!at) continue;
      if (!facts_.address) {
        facts_.address = accessed_ = raw(*at);
        return form;
      }
      const std::uint64_t size = std::max<std::uint64_t>(each.bytes, 8) * 2;
      if (*facts_.address - raw(*at) < size ||
          without_tag(*facts_.address) == without_tag(raw(*at))) {
        accessed_ = raw(*at);
        return form;
      }
    }
    // What the log says may be hashed (%p): then it is where nothing is mapped.
    const auto at = here.address(here.index(), known_, each.memory);
    if (!at || kernel_.memory().translate(*at)) return nullptr;
    facts_.address = accessed_ = raw(*at);
    return &each.memory;
  }
  // FAR and PC do not keep what lies above the address, where tags may be.
  std::uint64_t without_tag(std::uint64_t address) const {
    return machine_.without_tag(VirtAddr{address});
  }

  void accessed(Activation& here, const AddressForm& form, const Operation& each) {
    const Register reg = trace_.suspect(form, known_.get(form.base), known_.get(form.index));
    if (reg == kNoRegister) {
      facts_.verdict =
          fmt::format("{}: the code itself names the address {:#x}", facts_.instruction, accessed_);
      return;
    }
    set_register(reg);
    facts_.offset = static_cast<std::int64_t>(accessed_ - facts_.value);
    const auto member = types_.place(here, here.index(), known_, form, each.bytes);
    if (member) facts_.member = member->member.path;
    take(trace_.follow(here, here.index(), known_, Location::of(reg), facts_.value));
  }

  void set_register(Register reg) {
    facts_.reg = set_.name(reg);
    facts_.value = known_.get(reg).value_or(0);
  }

  void divided(Activation& here, const Operation& each) {
    facts_.access = "divide";
    if (each.from == kNoRegister) {
      const auto at = here.address(here.index(), known_, each.memory);
      if (!at) return;
      const Trail trail = trace_.loaded(here, {here.index(), known_, known_}, 0, 0);
      facts_.verdict = fmt::format("the divisor lies at {}", *at);
      if (trail.end == Trail::End::kConfirmed) take_source(trail);
      return;
    }
    set_register(each.from);
    take(trace_.follow(here, here.index(), known_, Location::of(each.from), facts_.value));
  }

  // The CPU was sent to where no code is: who called there, and by what pointer?
  void executed() {
    facts_.access = "execute";
    if (!facts_.address) facts_.address = raw(facts_.at.address);
    caller_ = Activation::calling(machine_, facts_.at.address, known_);
    if (!caller_) {
      facts_.verdict = fmt::format(
          "the CPU was sent to {:#x}, which is no code; what sent it there cannot be told",
          *facts_.address);
      return;
    }
    const Operation& call = caller_->function()[caller_->index()];
    facts_.instruction = trace_.instruction(call.at, call.size);
    facts_.value = *facts_.address;
    const Register reg = called_through(machine_, call);
    if (reg != kNoRegister) {
      set_register(reg);
      Followed found = trace_.follow(*caller_, caller_->index(), caller_->known(),
                                     Location::of(reg), facts_.value);
      found.steps.insert(found.steps.begin(), step_of_call(call));
      return take(found);
    }
    if (call.accesses) {
      const Definition by{caller_->index(), caller_->known(), caller_->known()};
      const Trail trail = trace_.loaded(*caller_, by, 0, facts_.value);
      if (trail.end == Trail::End::kConfirmed) take_source(trail);
    }
    finish_words();
  }

  FaultStep step_of_call(const Operation& call) {
    FaultStep step;
    step.at = trace_.location(call.at);
    step.instruction = facts_.instruction;
    step.reg = facts_.reg;
    step.value = facts_.value;
    step.words = fmt::format("{} called what {} held", caller_->function().name(), facts_.reg);
    return step;
  }

  void take(const Followed& found) {
    facts_.steps = found.steps;
    if (found.source && found.source->end == Trail::End::kConfirmed) {
      take_source(*found.source);
      return;
    }
    finish_words();
  }

  void take_source(const Trail& trail) {
    PointerFacts source;
    source.value = *trail.memory;
    source.from = facts_.reg.empty()
                      ? "the memory that the pointer was loaded from"
                      : fmt::format("the memory that {} was loaded from", facts_.reg);
    if (Whatis* whatis = session_.whatis()) {
      What what = whatis->ask(*trail.memory);
      source.what = std::move(what.words);
      if (what.slab) {
        source.offset = static_cast<std::uint64_t>(what.slab->offset);
        source.object = std::move(what.slab->object);
      }
    }
    facts_.source = std::move(source);
    if (trail.place) {
      facts_.source_member = trail.place->member.path;
      place_ = trail.place;
    }
    finish_words();
  }

  void finish_words() { facts_.verdict = verdict_of(facts_, place_, kernel_); }

  Session& session_;
  const Kernel& kernel_;
  const ExceptionFacts& exception_;
  const InstructionSet& set_;
  Known known_;
  Machine machine_;
  TypeFlow types_;
  std::vector<StackRange> stacks_;
  FaultTrace trace_;
  std::unique_ptr<Activation> caller_;
  std::optional<TypedPlace> place_;
  std::uint64_t accessed_ = 0;  // as the operand computes it
  FaultFacts facts_;
};

}  // namespace

std::optional<FaultFacts> follow_fault(Session& session) {
  const auto& exception = session.exception();
  const auto kernel = session.kernel();
  if (!exception || !kernel || !exception->facts.at) return std::nullopt;
  auto decoder = instruction_set(session.arch().arch).decoder();
  auto text = Disassembler::open(session.arch().arch);
  if (!decoder || !text) {
    session.remark((decoder ? text.error() : decoder.error()).message());
    return std::nullopt;
  }
  return Follower(session, **kernel, *exception, **decoder, *text).follow();
}

}  // namespace rig::analyzer
