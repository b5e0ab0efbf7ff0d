// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/arm64_unwind.h"

#include <algorithm>

#include "analyzer/arch/arm64_code.h"
#include "analyzer/arch/arm64_kernel.h"
#include "analyzer/arch/arm64_registers.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kRecordSize = 16;
// From the record in the pt_regs at the top of a task's stack to the stack's end, at most.
constexpr std::uint64_t kMaxAboveFinalRecord = 64;
// Between the record of the entry code's C function and the pt_regs above it: its locals.
constexpr std::uint64_t kMaxBelowFrame = 512;

struct Record {
  std::uint64_t fp = 0, lr = 0;
};

std::optional<std::size_t> stack_of(std::span<const StackRange> stacks, VirtAddr address) {
  for (std::size_t i = 0; i < stacks.size(); ++i) {
    if (stacks[i].contains(address)) return i;
  }
  return std::nullopt;
}

// Can a function whose stack is at `inner` have been called by one whose stack is at `outer`?
bool leads_outwards(std::span<const StackRange> stacks, VirtAddr inner, VirtAddr outer) {
  const auto from = stack_of(stacks, inner);
  const auto to = stack_of(stacks, outer);
  if (!to) return false;
  if (!from) return true;
  return *to == *from ? outer >= inner : *to < *from;
}

std::optional<Record> read_record(const Kernel& kernel, VirtAddr at) {
  Record record;
  const auto bytes = std::as_writable_bytes(std::span(&record, 1));
  return kernel.memory().read(at, bytes) ? std::optional(record) : std::nullopt;
}

bool in_same_function(const std::optional<CodeLocation>& a, const std::optional<CodeLocation>& b) {
  return a && b && a->function == b->function && a->module == b->module &&
         a->address - a->offset == b->address - b->offset;
}

// The second half of them is for exceptions from EL0 (arch/arm64/kernel/entry.S).
constexpr std::string_view kVectors = "vectors";
constexpr std::uint64_t kVectorsFromUser = 0x400;

// The entry code that interrupts the kernel itself: the vectors and what they branch to.
bool is_entry_from_kernel(const Kernel& kernel, const UnwindPoint& at) {
  constexpr std::string_view kCauses[] = {"sync", "irq", "fiq", "error"};
  const auto here = at.exact ? kernel.code(at.pc) : std::nullopt;
  if (!here) return false;
  if (here->function == kVectors) return here->offset < kVectorsFromUser;
  return std::ranges::any_of(kArm64ExceptionEntries, [&](std::string_view entry) {
    const std::string_view name = here->function;
    return name.starts_with(entry) &&
           std::ranges::find(kCauses, name.substr(entry.size())) != std::end(kCauses);
  });
}

// The entry code from user mode, as long as x29 and x30 are still the user's: nothing called it.
bool is_entry_from_user(const Kernel& kernel, const UnwindPoint& at) {
  const auto here = at.exact ? kernel.code(at.pc) : std::nullopt;
  if (!here || !at.fp || (raw(*at.fp) >> 55 & 1) != 0) return false;
  if (here->function == kVectors) return here->offset >= kVectorsFromUser;
  return here->function.starts_with("el0") || here->function.starts_with("ret_to_user");
}

// Where the CPU was, and its registers, are known exactly: the caller may be in x30 only.
std::optional<UnwindStep> step_by_link(const Kernel& kernel, const UnwindPoint& at) {
  const auto x30 = register_value(at.registers, "x30");
  if (!at.exact || !x30) return std::nullopt;
  const VirtAddr link = without_pac(kernel.info(), VirtAddr{*x30});
  if (!kernel.is_code(link - 1)) return std::nullopt;
  UnwindStep step;
  step.kind = UnwindStep::Kind::kCaller;
  step.next = {link, at.sp, at.fp, false, {}};
  if (!kernel.is_code(at.pc)) {
    // A call to nowhere: nothing ran there that could have saved anything.
    step.reliable = arm64_follows_call(kernel, link);
    step.why = fmt::format("called {}, which is no code", at.pc);
    return step;
  }
  // A function that has called another one finds its own address in x30.
  const auto here = kernel.code(at.pc);
  if (!here || in_same_function(here, kernel.code(link - 1))) return std::nullopt;
  const auto record = at.fp ? read_record(kernel, *at.fp) : std::nullopt;
  if (record && without_pac(kernel.info(), VirtAddr{record->lr}) == link) return std::nullopt;
  switch (arm64_record_at(kernel, at.pc - here->offset, at.pc)) {
    case Arm64Record::kSaved:
      return std::nullopt;
    case Arm64Record::kNotSaved:
      return step;
    case Arm64Record::kUnknown:
      break;
  }
  if (!arm64_follows_call(kernel, link)) return std::nullopt;
  step.reliable = false;
  step.why = "taken from x30: whether it is the caller cannot be told";
  return step;
}

// The struct pt_regs whose frame record is at `record`.
struct Embedded {
  std::optional<SavedFrame> kernel_mode, user_mode;
};

Embedded embedded_frame(const Kernel& kernel, VirtAddr record) {
  Embedded found;
  std::vector<std::uint64_t> offsets = {kArm64Record, kArm64TypedRecord};
  const auto type = kernel.memory().load<std::uint64_t>(record + kRecordSize);
  if (type == kArm64FinalRecord) std::ranges::reverse(offsets);
  if (const auto member = kernel.member("pt_regs.stackframe")) offsets = {member->offset};
  for (const std::uint64_t offset : offsets) {
    std::vector<std::byte> bytes(kArm64FrameSize);
    const VirtAddr at = record - offset;
    // What lies behind the record may be off the stack's end.
    if (kernel.memory().read_with_holes(at, bytes) != 0) continue;
    found.kernel_mode = decode_arm64_frame(bytes, at);
    if (!found.user_mode) found.user_mode = decode_arm64_user_frame(bytes, at);
    if (found.kernel_mode) return found;
  }
  return found;
}

UnwindStep step_to_interrupted(const Kernel& kernel, std::span<const StackRange> stacks,
                               VirtAddr record, SavedFrame saved) {
  // An overflow leaves the interrupted stack pointer on no stack at all; its x29 is still good.
  const bool known = stack_of(stacks, saved.sp).has_value();
  if (known && !leads_outwards(stacks, record, saved.sp)) {
    return UnwindStep::lost(
        fmt::format("the registers saved at {} lead back down the stack", saved.at));
  }
  UnwindStep step;
  step.kind = UnwindStep::Kind::kException;
  step.next.pc = saved.pc;
  step.next.sp = saved.sp;
  step.next.exact = true;
  step.next.registers = saved.registers;
  if (const auto x29 = register_value(saved.registers, "x29")) step.next.fp = VirtAddr{*x29};
  // A jump to nowhere is an exception too, and code of BPF and ftrace has no symbols.
  if (!kernel.is_code(saved.pc)) step.why = "no code of the kernel or a module";
  step.saved = std::move(saved);
  return step;
}

// The record {0, 0} of the entry from user mode, or of a task's first function.
UnwindStep step_to_end(const StackRange& stack, VirtAddr record, const Embedded& embedded) {
  if (stack.end() - record > kMaxAboveFinalRecord) {
    return UnwindStep::lost(
        fmt::format("the frame record at {} is empty, but not the task's first", record));
  }
  UnwindStep step;
  step.kind = UnwindStep::Kind::kEnd;
  step.why = "the task's first function";
  if (embedded.user_mode && raw(embedded.user_mode->pc) != 0) {
    step.why = fmt::format("entered from user mode at {}", embedded.user_mode->pc);
    step.saved = embedded.user_mode;
  }
  return step;
}

UnwindStep step_by_record(const Kernel& kernel, std::span<const StackRange> stacks,
                          const UnwindPoint& at) {
  if (!at.fp) return UnwindStep::lost("x29 is not known here");
  const VirtAddr fp = *at.fp;
  const auto stack = stack_of(stacks, fp);
  if (raw(fp) % 8 != 0 || !stack || stacks[*stack].end() - fp < kRecordSize) {
    return UnwindStep::lost(fmt::format("x29 is {}: on no stack that this walk may be on", fp));
  }
  if (stack_of(stacks, at.sp) && !leads_outwards(stacks, at.sp, fp)) {
    return UnwindStep::lost(
        fmt::format("x29 is {}, which leads back down the stack from {}", fp, at.sp));
  }
  const auto record = read_record(kernel, fp);
  if (!record)
    return UnwindStep::lost(fmt::format("the frame record at {} is not in the core", fp));

  const Embedded embedded = embedded_frame(kernel, fp);
  if (embedded.kernel_mode) {
    return step_to_interrupted(kernel, stacks, fp, *embedded.kernel_mode);
  }
  if (record->fp == 0 && record->lr == 0) return step_to_end(stacks[*stack], fp, embedded);

  UnwindStep step;
  step.kind = UnwindStep::Kind::kCaller;
  step.next.pc = without_pac(kernel.info(), VirtAddr{record->lr});
  step.next.fp = VirtAddr{record->fp};
  // Functions keep their record at the low end of their frame, so x29 is the stack pointer of a
  // caller. Where that makes no sense, it is above the record at least.
  const bool sane = record->fp != raw(fp) && leads_outwards(stacks, fp, VirtAddr{record->fp});
  step.next.sp = sane ? VirtAddr{record->fp} : fp + kRecordSize;
  step.reliable = kernel.is_code(step.next.pc - 1);
  if (!step.reliable) step.why = "no code of the kernel or a module";
  if (!sane && !step.reliable) {
    return UnwindStep::lost(
        fmt::format("the frame record at {} holds {:#x} and {:#x}, neither a stack nor code", fp,
                    record->fp, record->lr));
  }
  return step;
}

// Until the entry code has saved a struct pt_regs, x29 and x30 are those of who was interrupted.
// Where he was is in ELR_EL1 alone, which no note of QEMU's cores has: the first that can be told
// is a function that he returns to, or that he is, after a call that he made.
UnwindStep step_from_entry(const Kernel& kernel, std::span<const StackRange> stacks,
                           const UnwindPoint& at) {
  const bool saved = at.fp && embedded_frame(kernel, *at.fp).kernel_mode;
  if (saved) return step_by_record(kernel, stacks, at);
  const auto by_link = step_by_link(kernel, at);
  UnwindStep step = by_link ? *by_link : step_by_record(kernel, stacks, at);
  if (step.kind != UnwindStep::Kind::kCaller) return step;
  step.reliable = step.reliable && !by_link;
  step.why = by_link ? "interrupted here, or in what it called: taken from x30"
                     : "interrupted in what it called, which ELR_EL1 alone would tell";
  return step;
}

}  // namespace

UnwindStep unwind_arm64(const Kernel& kernel, std::span<const StackRange> stacks,
                        const UnwindPoint& at) {
  if (is_entry_from_user(kernel, at)) {
    UnwindStep step;
    step.kind = UnwindStep::Kind::kEnd;
    step.why = "in the entry code, between user mode and the kernel";
    return step;
  }
  if (is_entry_from_kernel(kernel, at)) return step_from_entry(kernel, stacks, at);
  if (auto step = step_by_link(kernel, at)) return *std::move(step);
  return step_by_record(kernel, stacks, at);
}

std::optional<UnwindPoint> arm64_sleeping(const Kernel& kernel, VirtAddr task) {
  // struct cpu_context, saved by cpu_switch_to().
  const auto word = [&](std::string_view name) {
    return kernel.field(task, fmt::format("task_struct.thread.cpu_context.{}", name));
  };
  const auto pc = word("pc"), sp = word("sp"), fp = word("fp");
  if (!pc || !sp || !fp || *pc == 0) return std::nullopt;
  return UnwindPoint{
      without_pac(kernel.info(), VirtAddr{*pc}), VirtAddr{*sp}, VirtAddr{*fp}, false, {}};
}

std::optional<VirtAddr> arm64_entry_of(const Kernel& kernel, ByteView stack, VirtAddr begin,
                                       std::uint64_t frame) {
  const auto lowest = frame > kMaxBelowFrame ? frame - kMaxBelowFrame : 0;
  for (std::uint64_t at = frame; at >= lowest + 8; at -= 8) {
    const auto fp = load<std::uint64_t>(stack, at - 8);
    if (fp != raw(begin) + frame + kArm64Record && fp != raw(begin) + frame + kArm64TypedRecord) {
      continue;
    }
    const auto lr = load<std::uint64_t>(stack, at);
    return lr ? std::optional(without_pac(kernel.info(), VirtAddr{*lr})) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace rig::analyzer
