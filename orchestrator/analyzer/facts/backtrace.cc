// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/backtrace.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxFrames = 1024;

std::string stack_of(std::span<const StackRange> stacks, VirtAddr sp) {
  for (const StackRange& stack : stacks) {
    if (stack.contains(sp)) return stack.name;
  }
  return {};
}

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

}  // namespace

Backtrace unwind_from(const Kernel& kernel, const Architecture& arch,
                      std::span<const StackRange> stacks, const UnwindPoint& start) {
  Backtrace trace;
  UnwindPoint point = start;
  bool reliable = true;
  std::string stack, entry;
  std::vector<RegisterValue> registers;
  while (trace.frames.size() < kMaxFrames) {
    BacktraceFrame frame = frame_at(kernel, point);
    frame.reliable = reliable;
    frame.exception = std::exchange(entry, {});
    frame.registers = std::exchange(registers, {});
    if (auto name = stack_of(stacks, point.sp); name != stack) frame.stack = stack = name;
    trace.frames.push_back(std::move(frame));
    UnwindStep step = arch.unwind(kernel, stacks, point);
    if (step.kind == UnwindStep::Kind::kEnd || step.kind == UnwindStep::Kind::kLost) {
      trace.complete = step.kind == UnwindStep::Kind::kEnd;
      trace.end = std::move(step.why);
      return trace;
    }
    if (step.kind == UnwindStep::Kind::kException && step.saved) {
      entry = trace.frames.back().at.function;
      registers = std::move(step.saved->registers);
    }
    reliable = step.reliable;
    point = std::move(step.next);
  }
  trace.end = fmt::format("more than {} frames", kMaxFrames);
  return trace;
}

Backtrace unwind_cpu(const Kernel& kernel, const Architecture& arch, const CpuSnapshot& cpu) {
  if (cpu.state.user_mode) {
    return {{}, true, fmt::format("in user mode at {}", cpu.state.pc)};
  }
  UnwindPoint start;
  start.pc = cpu.state.pc;
  start.sp = cpu.state.sp;
  start.exact = true;
  start.registers = cpu.state.registers;
  for (const std::string_view name : {"RBP", "x29"}) {
    if (const auto value = register_value(start.registers, name)) start.fp = VirtAddr{*value};
  }
  return unwind_from(kernel, arch, cpu.stacks, start);
}

Backtrace unwind_task(const Kernel& kernel, const Architecture& arch, const Task& task) {
  const auto start = arch.sleeping(kernel, task.at);
  if (!start) return {{}, false, "where it was switched away from cannot be read"};
  return unwind_from(kernel, arch, std::span(&task.stack, 1), *start);
}

}  // namespace rig::analyzer
