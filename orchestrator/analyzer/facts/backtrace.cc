// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/backtrace.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxFrames = 1024;

// Where a walk may go next: up, and to each stack once.
class Progress {
 public:
  explicit Progress(std::span<const StackRange> stacks) : stacks_(stacks), seen_(stacks.size()) {}

  // Takes the walk to `sp`. Says why not when that is no progress.
  std::optional<std::string> enter(VirtAddr sp) {
    const auto found =
        std::ranges::find_if(stacks_, [&](const StackRange& stack) { return stack.contains(sp); });
    const StackRange* stack = found != stacks_.end() ? &*found : nullptr;
    const bool first = !started_;
    changed_ = first || stack != stack_;
    started_ = true;
    if (!changed_) {
      // A function that has no frame yet shares its caller's stack pointer, once.
      still_ = sp == sp_ ? still_ + 1 : 0;
      if (sp < sp_) return fmt::format("the stack goes down from {} to {}", sp_, sp);
      if (still_ > 1) return fmt::format("the stack does not move from {}", sp);
      sp_ = sp;
      return std::nullopt;
    }
    if (stack) {
      const auto index = static_cast<std::size_t>(found - stacks_.begin());
      if (seen_[index]) return fmt::format("a cycle: it comes back to the {}", stack->name);
      seen_[index] = true;
    }
    stack_ = stack;
    sp_ = sp;
    still_ = 0;
    return std::nullopt;
  }

  // When the last step led to another stack: its name.
  std::string entered() const { return changed_ && stack_ ? stack_->name : std::string(); }

 private:
  std::span<const StackRange> stacks_;
  std::vector<bool> seen_;
  const StackRange* stack_ = nullptr;
  VirtAddr sp_{};
  unsigned still_ = 0;
  bool started_ = false, changed_ = false;
};

BacktraceFrame frame_at(const Kernel& kernel, const UnwindPoint& point) {
  BacktraceFrame frame;
  // A call may be its function's last instruction: the address after it belongs to the next one.
  const auto at = kernel.code(point.exact ? point.pc : point.pc - 1);
  frame.at = at.value_or(CodeLocation{point.pc, {}, 0, {}});
  if (at && !point.exact) {
    frame.at.address = point.pc;
    frame.at.offset += 1;
  }
  frame.sp = point.sp;
  return frame;
}

// What a step says about the frame that it leads to.
void describe(const UnwindStep& step, const std::string& from, BacktraceFrame& frame) {
  frame.note = step.why;
  if (step.kind != UnwindStep::Kind::kException || !step.saved) return;
  frame.exception = from;
  frame.registers = step.saved->registers;
  frame.registers_at = step.saved->at;
}

}  // namespace

Backtrace unwind_from(const Kernel& kernel, const Architecture& arch,
                      std::span<const StackRange> stacks, const UnwindPoint& start) {
  Backtrace trace;
  Progress progress(stacks);
  UnwindPoint point = start;
  UnwindStep step;
  step.kind = UnwindStep::Kind::kCaller;
  std::optional<std::size_t> guessed;  // the last frame that was
  while (trace.frames.size() < kMaxFrames) {
    if (auto stuck = progress.enter(point.sp)) {
      trace.end = *std::move(stuck);
      return trace;
    }
    BacktraceFrame frame = frame_at(kernel, point);
    describe(step, trace.frames.empty() ? std::string() : trace.frames.back().at.function, frame);
    frame.stack = progress.entered();
    if (!step.reliable) guessed = trace.frames.size();
    frame.reliable = !guessed;
    trace.frames.push_back(std::move(frame));

    step = arch.unwind(kernel, stacks, point);
    if (step.kind == UnwindStep::Kind::kLost || step.kind == UnwindStep::Kind::kEnd) {
      trace.complete = step.kind == UnwindStep::Kind::kEnd;
      trace.end = std::move(step.why);
      if (trace.complete && step.saved) trace.user_registers = std::move(step.saved->registers);
      break;
    }
    point = step.next;
    point.task = start.task;
  }
  if (trace.end.empty()) trace.end = fmt::format("more than {} frames", kMaxFrames);
  // From a wrong place no row of exact steps ends where the kernel was entered.
  if (trace.complete && guessed) {
    for (auto i = *guessed + 1; i < trace.frames.size(); ++i) trace.frames[i].reliable = true;
  }
  return trace;
}

Backtrace unwind_cpu(const Kernel& kernel, const Architecture& arch, const CpuSnapshot& cpu) {
  if (cpu.state.user_mode) {
    return {{}, true, fmt::format("user mode at {}", cpu.state.pc), cpu.state.registers};
  }
  UnwindPoint start;
  start.pc = cpu.state.pc;
  start.sp = cpu.state.sp;
  start.exact = true;
  start.registers = cpu.state.registers;
  if (cpu.task) start.task = cpu.task->at;
  for (const std::string_view name : {"RBP", "x29"}) {
    if (const auto value = register_value(start.registers, name)) start.fp = VirtAddr{*value};
  }
  return unwind_from(kernel, arch, cpu.stacks, start);
}

Backtrace unwind_task(const Kernel& kernel, const Architecture& arch, const Task& task) {
  if (task.stack.size == 0) return {{}, false, "it has no stack any more", {}};
  if (kernel.field(task.at, "task_struct.on_cpu").value_or(0) != 0) {
    return {{}, false, "it was running, and its CPU's registers are not in the core", {}};
  }
  auto start = arch.sleeping(kernel, task.at);
  if (!start) return {{}, false, "where it was switched away from cannot be read", {}};
  start->task = task.at;
  return unwind_from(kernel, arch, std::span(&task.stack, 1), *start);
}

}  // namespace rig::analyzer
