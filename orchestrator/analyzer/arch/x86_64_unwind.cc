// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/x86_64_unwind.h"

#include <algorithm>

#include "analyzer/arch/x86_64_registers.h"
#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

using Register = OrcEntry::Register;

// What the CPU itself pushes, at the end of struct pt_regs: RIP CS EFLAGS RSP SS.
constexpr std::uint64_t kIretFrameOffset = 128;
constexpr std::uint64_t kMaxScan = 256 << 10;  // larger than any kernel stack
// Where modules, trampolines and BPF programs live: behind the image, whatever KASLR did
// (arch/x86/include/asm/pgtable_64_types.h).
constexpr std::uint64_t kModulesBegin = 0xffff'ffff'c000'0000;
constexpr std::uint64_t kModulesEnd = 0xffff'ffff'ff00'0000;
// include/linux/ftrace.h: FTRACE_OPS_FL_SAVE_REGS.
constexpr std::uint64_t kFtraceSaveRegs = 1 << 2;
constexpr unsigned kMaxFtraceOps = 1024;
constexpr unsigned kMaxRethooks = 1024;
constexpr std::uint64_t kMaxBareFrame = 1024;  // of a function without tables, in bytes

// Code that no table of symbols has: a trampoline, a BPF program, a slot of kprobes.
bool could_be_code(const Kernel& kernel, VirtAddr address) {
  return raw(address) >= kModulesBegin && raw(address) < kModulesEnd &&
         kernel.memory().load<std::uint8_t>(address);
}

// Is there an instruction right before `address` that calls: near relative (e8) or through a
// register or memory (ff /2, two to seven bytes)? Intel SDM volume 2, CALL.
bool follows_call(const Kernel& kernel, VirtAddr address) {
  std::array<std::uint8_t, 7> before{};
  if (!kernel.memory().read(address - before.size(), std::as_writable_bytes(std::span(before)))) {
    return false;
  }
  const auto byte = [&](std::size_t back) { return before[before.size() - back]; };
  if (byte(5) == 0xe8) return true;
  for (const std::size_t length : {2, 3, 4, 6, 7}) {
    if (byte(length) == 0xff && (byte(length - 1) >> 3 & 7) == 2) return true;
  }
  return false;
}

bool is_return_address(const Kernel& kernel, std::uint64_t value) {
  return kernel.is_code(VirtAddr{value} - 1) && follows_call(kernel, VirtAddr{value});
}

// Is there a call right before `address` that led to `target`, with these registers: near relative,
// or through a register, which still has the target as nothing has run since?
bool call_leads_to(const Kernel& kernel, VirtAddr address, VirtAddr target,
                   std::span<const RegisterValue> registers) {
  constexpr std::string_view kNames[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                         "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};
  constexpr std::uint8_t kRexB = 0x41, kOpcode = 0xff, kThroughRegister = 0xd0;
  std::array<std::uint8_t, 5> before{};
  if (!kernel.memory().read(address - before.size(), std::as_writable_bytes(std::span(before)))) {
    return false;
  }
  if (before[0] == 0xe8) {
    std::uint32_t distance = 0;
    for (std::size_t i = 4; i > 0; --i) distance = distance << 8 | before[i];
    const auto signed_distance = static_cast<std::int64_t>(static_cast<std::int32_t>(distance));
    if (address + static_cast<std::uint64_t>(signed_distance) == target) return true;
  }
  if (before[3] != kOpcode || (before[4] & 0xf8) != kThroughRegister) return false;
  const std::size_t number = (before[4] & 7) + (before[2] == kRexB ? 8u : 0u);
  return register_value(registers, kNames[number]) == raw(target);
}

// A dynamic ftrace trampoline is a copy of ftrace_caller or ftrace_regs_caller, which have ORC
// entries: the place of `pc` in the original.
std::optional<VirtAddr> ftrace_original(const Kernel& kernel, VirtAddr pc) {
  auto next = kernel.variable("ftrace_ops_list");
  const auto end = kernel.symbol("ftrace_list_end");
  for (unsigned i = 0; next && *next != 0 && i < kMaxFtraceOps; ++i) {
    const VirtAddr ops{*next};
    if (end && ops == *end) return std::nullopt;
    const auto start = kernel.field(ops, "ftrace_ops.trampoline");
    const auto size = kernel.field(ops, "ftrace_ops.trampoline_size");
    const auto flags = kernel.field(ops, "ftrace_ops.flags");
    if (!start || !size || !flags) return std::nullopt;
    if (*start != 0 && raw(pc) - *start < *size) {
      const bool registers = (*flags & kFtraceSaveRegs) != 0;
      const auto original = kernel.symbol(registers ? "ftrace_regs_caller" : "ftrace_caller");
      return original ? std::optional(*original + (raw(pc) - *start)) : std::nullopt;
    }
    next = kernel.field(ops, "ftrace_ops.next");
  }
  return std::nullopt;
}

// Code that a return address was replaced by, so that a tracer sees the return.
bool is_return_trampoline(const Kernel& kernel, VirtAddr pc) {
  constexpr std::string_view kNames[] = {"arch_rethook_trampoline", "__kretprobe_trampoline",
                                         "kretprobe_trampoline", "return_to_handler"};
  const auto at = kernel.code(pc);
  return at && at->offset == 0 && std::ranges::find(kNames, at->function) != std::end(kNames);
}

// The return address that a kretprobe took from the word at `slot` of a stack of `task`. Format:
// include/linux/rethook.h.
std::optional<VirtAddr> replaced_return(const Kernel& kernel, VirtAddr task, VirtAddr slot) {
  const auto link = kernel.member("rethook_node.llist");
  auto next = kernel.field(task, "task_struct.rethooks.first");
  if (!link) return std::nullopt;
  for (unsigned i = 0; next && *next != 0 && i < kMaxRethooks; ++i) {
    const VirtAddr node = VirtAddr{*next} - link->offset;
    if (kernel.field(node, "rethook_node.frame") == raw(slot)) {
      const auto address = kernel.field(node, "rethook_node.ret_addr");
      return address ? std::optional(VirtAddr{*address}) : std::nullopt;
    }
    next = kernel.field(node, "rethook_node.llist.next");
  }
  return std::nullopt;
}

class Stepper {
 public:
  Stepper(const Kernel& kernel, std::span<const StackRange> stacks, const UnwindPoint& at)
      : kernel_(kernel), stacks_(stacks), at_(at) {}

  UnwindStep take() const {
    if (at_.exact && !kernel_.is_code(at_.pc) && !could_be_code(kernel_, at_.pc)) return jumped();
    const auto entry = entry_of_pc();
    if (!entry || entry->type == OrcEntry::Type::kUndefined) {
      return guess(fmt::format("there is no unwind information for {}", at_.pc));
    }
    if (entry->type == OrcEntry::Type::kEnd) return end();
    const auto sp = caller_sp(*entry);
    if (!sp) return guess("the stack of the caller cannot be computed");
    switch (entry->type) {
      case OrcEntry::Type::kRegs:
        return interrupted(*entry, *sp);
      case OrcEntry::Type::kRegsPartial:
        return interrupted_partly(*entry, *sp);
      default:
        return called(*entry, *sp);
    }
  }

 private:
  const StackRange* stack_of(VirtAddr address) const {
    const auto found = std::ranges::find_if(
        stacks_, [&](const StackRange& stack) { return stack.contains(address); });
    return found != stacks_.end() ? &*found : nullptr;
  }
  // `size` bytes of a stack; nothing outside of one is read.
  bool read(VirtAddr address, MutableBytes out) const {
    const StackRange* stack = stack_of(address);
    if (!stack || stack->end() - address < out.size()) return false;
    return kernel_.memory().read(address, out).has_value();
  }
  std::optional<std::uint64_t> word(VirtAddr address) const {
    std::uint64_t value = 0;
    if (!read(address, std::as_writable_bytes(std::span(&value, 1)))) return std::nullopt;
    return value;
  }

  std::optional<OrcEntry> entry_of_pc() const {
    const VirtAddr look_up = at_.exact ? at_.pc : at_.pc - 1;
    if (const auto entry = kernel_.unwind_entry(look_up)) return entry;
    if (kernel_.is_code(look_up)) return std::nullopt;
    const auto original = ftrace_original(kernel_, look_up);
    return original ? kernel_.unwind_entry(*original) : std::nullopt;
  }

  // A register that only the registers of an interrupted function tell.
  std::optional<VirtAddr> saved(std::string_view name) const {
    const auto value = register_value(at_.registers, name);
    return value ? std::optional(VirtAddr{*value}) : std::nullopt;
  }

  // Where the caller's stack is, or what lies there in its place.
  std::optional<VirtAddr> caller_sp(const OrcEntry& entry) const {
    const auto offset = static_cast<std::uint64_t>(std::int64_t{entry.sp_offset});
    const auto based = [&](const std::optional<VirtAddr>& base) {
      return base ? std::optional(*base + offset) : std::nullopt;
    };
    switch (entry.sp_base) {
      case Register::kSp:
        return at_.sp + offset;
      case Register::kBp:
        return based(at_.fp);
      case Register::kR10:
        return based(saved("R10"));
      case Register::kR13:
        return based(saved("R13"));
      case Register::kDi:
        return based(saved("RDI"));
      case Register::kDx:
        return based(saved("RDX"));
      case Register::kSpIndirect: {
        // On another stack: the word at its top says where the old one was.
        const auto value = word(at_.sp);
        return value ? std::optional(VirtAddr{*value + offset}) : std::nullopt;
      }
      case Register::kBpIndirect: {
        const auto value = at_.fp ? word(*at_.fp + offset) : std::nullopt;
        return value ? std::optional(VirtAddr{*value}) : std::nullopt;
      }
      default:
        return std::nullopt;
    }
  }

  // RBP as the caller had it.
  std::optional<VirtAddr> caller_fp(const OrcEntry& entry, VirtAddr sp) const {
    const auto offset = static_cast<std::uint64_t>(std::int64_t{entry.bp_offset});
    std::optional<std::uint64_t> value;
    switch (entry.bp_base) {
      case Register::kUndefined:
        return at_.fp;
      case Register::kPrevSp:
        value = word(sp + offset);
        break;
      case Register::kBp:
        if (at_.fp) value = word(*at_.fp + offset);
        break;
      default:
        break;
    }
    return value ? std::optional(VirtAddr{*value}) : std::nullopt;
  }

  UnwindStep called(const OrcEntry& entry, VirtAddr sp) const {
    const auto value = word(sp - kWord);
    if (!value) return guess(fmt::format("no return address can be read at {}", sp - kWord));
    VirtAddr pc{*value};
    std::string note;
    if (is_return_trampoline(kernel_, pc)) {
      const auto original =
          at_.task ? replaced_return(kernel_, *at_.task, sp - kWord) : std::nullopt;
      if (!original) return guess("the return address was replaced by a tracer's", sp);
      note = fmt::format("a kretprobe had replaced the return address by {}", pc);
      pc = *original;
    }
    if (!kernel_.is_code(pc - 1) && !could_be_code(kernel_, pc)) {
      return guess(fmt::format("the return address {} at {} is no code", pc, sp - kWord));
    }
    UnwindStep step;
    step.kind = UnwindStep::Kind::kCaller;
    step.next.pc = pc;
    step.next.sp = sp;
    step.next.fp = caller_fp(entry, sp);
    step.next.exact = entry.signal;
    step.why = std::move(note);
    return step;
  }

  // An int3 takes the place of the first byte of an instruction that was not executed yet, and the
  // saved RIP lies behind it: what holds for the stack there is what held a byte before. Unless
  // kprobes executed the instruction elsewhere: RIP was moved behind it, and is exact again.
  bool stands_at_breakpoint(VirtAddr pc) const {
    constexpr std::uint8_t kInt3 = 0xcc;
    const auto where = kernel_.code(at_.exact ? at_.pc : at_.pc - 1);
    // `int3` before v5.8.
    if (!where || (where->function != "asm_exc_int3" && where->function != "int3")) return false;
    return kernel_.memory().load<std::uint8_t>(pc - 1).value_or(kInt3) == kInt3;
  }

  UnwindStep resumed(const OrcEntry& entry, SavedFrame frame) const {
    UnwindStep step;
    if ((register_value(frame.registers, "CS").value_or(0) & 3) != 0) {
      step.kind = UnwindStep::Kind::kEnd;
      step.why = fmt::format("user mode at {}", frame.pc);
    } else {
      step.kind = UnwindStep::Kind::kException;
      step.next.pc = frame.pc;
      step.next.sp = frame.sp;
      if (const auto fp = register_value(frame.registers, "RBP")) step.next.fp = VirtAddr{*fp};
      step.next.exact = entry.signal && !stands_at_breakpoint(frame.pc);
      step.next.registers = frame.registers;
    }
    step.saved = std::move(frame);
    return step;
  }

  UnwindStep interrupted(const OrcEntry& entry, VirtAddr at) const {
    std::array<std::byte, kX86FrameSize> bytes{};
    auto frame = read(at, bytes) ? decode_x86_64_pt_regs(bytes, at) : std::nullopt;
    if (!frame) return guess(fmt::format("the registers saved at {} cannot be read", at));
    return resumed(entry, *std::move(frame));
  }

  // Entry code before it saved all registers: the others still have what they had, as far as that
  // is known.
  UnwindStep interrupted_partly(const OrcEntry& entry, VirtAddr at) const {
    std::array<std::uint64_t, 5> pushed{};
    if (!read(at, std::as_writable_bytes(std::span(pushed)))) {
      return guess(fmt::format("the exception frame at {} cannot be read", at));
    }
    SavedFrame frame{at - kIretFrameOffset, VirtAddr{pushed[0]}, VirtAddr{pushed[3]}, {}};
    constexpr std::string_view kPushed[] = {"RIP", "CS", "EFLAGS", "RSP", "SS"};
    for (std::size_t i = 0; i < pushed.size(); ++i) {
      frame.registers.push_back({std::string(kPushed[i]), pushed[i]});
    }
    for (const RegisterValue& each : at_.registers) {
      if (!register_value(frame.registers, each.name)) frame.registers.push_back(each);
    }
    return resumed(entry, std::move(frame));
  }

  UnwindStep end() const {
    const auto where = kernel_.code(at_.exact ? at_.pc : at_.pc - 1);
    UnwindStep step;
    step.kind = UnwindStep::Kind::kEnd;
    step.why = !where ? "the kernel was entered here"
               : where->function.starts_with("ret_from_fork")
                   ? "the task was started here"
                   : fmt::format("{} is where the kernel is entered", where->function);
    return step;
  }

  // The CPU went to a place that is no code: the last thing that happened was a call (or a return)
  // to it, so the word at the stack pointer is the way back.
  UnwindStep jumped() const {
    const std::string why = fmt::format("the CPU was sent to {}, which is no code", at_.pc);
    const auto value = word(at_.sp);
    if (!value || !is_return_address(kernel_, *value)) return guess(why);
    UnwindStep step;
    step.kind = UnwindStep::Kind::kCaller;
    step.next = {VirtAddr{*value}, at_.sp + kWord, at_.fp, false, {}};
    // A call of a function pointer that is NULL leaves nothing to doubt (the kernel's unwinder
    // thinks so too), nor does a call that can only have led here.
    step.reliable = raw(at_.pc) == 0 || call_leads_to(kernel_, step.next.pc, at_.pc, at_.registers);
    step.why = why + "; the way back is taken from the top of the stack";
    return step;
  }

  UnwindStep guess(std::string why) const { return guess(std::move(why), at_.sp); }

  // From `sp` on.
  UnwindStep guess(std::string why, VirtAddr sp) const {
    const StackRange* stack = stack_of(sp);
    if (!stack) {
      return UnwindStep::lost(fmt::format("{}, and the stack pointer {} is on no stack", why, sp));
    }
    if (auto step = by_call(*stack, sp)) {
      step->why = why + "; guessed: the word that a call of this function left on the stack";
      return *std::move(step);
    }
    if (auto step = by_frame_pointer(*stack, sp)) {
      step->why = why + "; guessed by the frame pointer";
      return *std::move(step);
    }
    const VirtAddr from{align_up(raw(sp), kWord)};
    const std::uint64_t room = from < stack->end() ? stack->end() - from : 0;
    const auto bytes = kernel_.memory().read_up_to(from, std::min(room, kMaxScan));
    for (std::uint64_t at = 0; at + kWord <= bytes.size(); at += kWord) {
      const auto value = load<std::uint64_t>(bytes, at).value_or(0);
      if (!is_return_address(kernel_, value)) continue;
      UnwindStep step;
      step.kind = UnwindStep::Kind::kCaller;
      step.reliable = false;
      step.next = {VirtAddr{value}, from + at + kWord, at_.fp, false, {}};
      step.why = why + "; guessed: the next word on the stack that a call could have left";
      return step;
    }
    return UnwindStep::lost(fmt::format("{}, and no return address follows on the {}{}", why,
                                        stack->name,
                                        bytes.size() < room ? ", as far as it was read" : ""));
  }

  // The way back from a function without tables, as __crash_kexec is (STACK_FRAME_NON_STANDARD):
  // its frame pointer may be its caller's already, and would lead past that one.
  std::optional<UnwindStep> by_call(const StackRange& stack, VirtAddr sp) const {
    const VirtAddr look_up = at_.exact ? at_.pc : at_.pc - 1;
    const auto code = kernel_.code(look_up);
    if (!code) return std::nullopt;
    const VirtAddr function = look_up - code->offset;
    VirtAddr end = std::min(stack.end(), sp + kMaxBareFrame);
    if (at_.fp && *at_.fp > sp) end = std::min(end, *at_.fp);
    for (VirtAddr at{align_up(raw(sp), kWord)}; at < end; at += kWord) {
      const auto value = word(at);
      if (!value || !is_return_address(kernel_, *value) ||
          !call_leads_to(kernel_, VirtAddr{*value}, function, {})) {
        continue;
      }
      UnwindStep step;
      step.kind = UnwindStep::Kind::kCaller;
      step.reliable = false;
      step.next = {VirtAddr{*value}, at + kWord, at_.fp, false, {}};
      return step;
    }
    return std::nullopt;
  }

  // A function that keeps a frame pointer has the caller's RBP and the return address there.
  std::optional<UnwindStep> by_frame_pointer(const StackRange& stack, VirtAddr sp) const {
    if (!at_.fp || *at_.fp < sp || !stack.contains(*at_.fp) || raw(*at_.fp) % kWord != 0) {
      return std::nullopt;
    }
    const auto fp = word(*at_.fp);
    const auto pc = word(*at_.fp + kWord);
    if (!fp || !pc || !is_return_address(kernel_, *pc)) return std::nullopt;
    UnwindStep step;
    step.kind = UnwindStep::Kind::kCaller;
    step.reliable = false;
    step.next = {VirtAddr{*pc}, *at_.fp + 2 * kWord, VirtAddr{*fp}, false, {}};
    return step;
  }

  const Kernel& kernel_;
  std::span<const StackRange> stacks_;
  const UnwindPoint& at_;
};

}  // namespace

UnwindStep unwind_x86_64(const Kernel& kernel, std::span<const StackRange> stacks,
                         const UnwindPoint& at) {
  return Stepper(kernel, stacks, at).take();
}

std::optional<UnwindPoint> x86_64_sleeping(const Kernel& kernel, VirtAddr task) {
  const auto sp = kernel.field(task, "task_struct.thread.sp");
  const auto size = kernel.types() ? kernel.types()->size_of("inactive_task_frame") : std::nullopt;
  if (!sp || !size) return std::nullopt;
  const auto pc = kernel.field(VirtAddr{*sp}, "inactive_task_frame.ret_addr");
  const auto fp = kernel.field(VirtAddr{*sp}, "inactive_task_frame.bp");
  if (!pc || !fp) return std::nullopt;
  UnwindPoint point;
  point.pc = VirtAddr{*pc};
  point.sp = VirtAddr{*sp} + *size;
  point.fp = VirtAddr{*fp};
  // A task that never ran begins in ret_from_fork itself, without a call before it.
  point.exact =
      kernel.symbol("ret_from_fork") == point.pc || kernel.symbol("ret_from_fork_asm") == point.pc;
  return point;
}

}  // namespace rig::analyzer
