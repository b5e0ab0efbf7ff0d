// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/cpus.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "analyzer/core/limits.h"
#include "analyzer/facts/backtrace.h"
#include "analyzer/facts/context.h"

namespace rig::analyzer {
namespace {

// The kernel's numbers of CPUs by their per-CPU base. Counted beside the notes: the kernel may
// number CPUs otherwise than the hypervisor.
class CpuNumbers {
 public:
  CpuNumbers(const Kernel& kernel, std::size_t cpus) {
    const auto offsets = kernel.per_cpu_offsets(cpus);
    for (unsigned number = 0; number < offsets.size(); ++number) {
      if (offsets[number] != 0) by_base_.try_emplace(offsets[number], number);
    }
  }

  std::optional<unsigned> of(const CpuState& state) const {
    for (const std::uint64_t base : state.per_cpu_bases) {
      if (const auto found = by_base_.find(base); found != by_base_.end()) return found->second;
    }
    return std::nullopt;
  }

 private:
  std::unordered_map<std::uint64_t, unsigned> by_base_;
};

// The kernel's CPUs by their stacks: where the notes have no per-CPU base (arm64), the stack that a
// CPU is on tells which it is.
class CpuStacks {
 public:
  CpuStacks(const Kernel& kernel, const Architecture& arch, std::size_t cpus) {
    const auto offsets = kernel.per_cpu_offsets(cpus);
    for (unsigned number = 0; number < offsets.size(); ++number) {
      if (offsets[number] == 0) continue;
      const auto current = arch.current_task(kernel, number);
      const auto task = current ? read_task(kernel, arch, *current) : std::nullopt;
      if (task && task->stack.size != 0) add(task->stack, number);
      for (const StackRange& stack : arch.cpu_stacks(kernel, number)) add(stack, number);
    }
  }

  std::optional<unsigned> of(VirtAddr sp) const {
    // Below its top: an empty stack's pointer is already behind it.
    const auto after = by_end_.lower_bound(sp);
    if (after == by_end_.end() || !after->second.first.contains(sp - 1)) return std::nullopt;
    return after->second.second;
  }

 private:
  void add(const StackRange& stack, unsigned number) {
    by_end_.try_emplace(stack.end(), stack, number);
  }

  std::map<VirtAddr, std::pair<StackRange, unsigned>> by_end_;
};

// The task whose stack `sp` lies on, where the kernel's own pointer to it cannot be found. None of
// the idle tasks but the first: they are on no list.
std::optional<Task> task_on_stack(const Kernel& kernel, const Architecture& arch, VirtAddr sp) {
  std::vector<std::string> ignored;
  for (Task& task : all_tasks(kernel, arch, ignored)) {
    if (task.stack.contains(sp - 1)) return std::move(task);
  }
  return std::nullopt;
}

// The CPU's own number, and what it was running.
void identify(const Kernel& kernel, const Architecture& arch, const CpuNumbers& numbers,
              std::optional<CpuStacks>& stacks, std::size_t cpus, CpuSnapshot& cpu) {
  auto number = numbers.of(cpu.state);
  // The bases of a CPU that the kernel itself saved (/proc/vmcore) are the user's.
  if (!number && !cpu.state.user_mode) {
    if (!stacks) stacks.emplace(kernel, arch, cpus);
    number = stacks->of(cpu.state.sp);
  }
  cpu.number = number.value_or(cpu.vcpu);
  if (const auto current = arch.current_task(kernel, cpu.number)) {
    cpu.task = read_task(kernel, arch, *current);
  }
  if (cpu.task || cpu.state.user_mode) return;
  cpu.task = task_on_stack(kernel, arch, cpu.state.sp);
  if (!cpu.task || number) return;
  const auto own = kernel.field(cpu.task->at, "task_struct.thread_info.cpu");
  if (own && *own < cpus) cpu.number = static_cast<unsigned>(*own);
}

// Marks the CPU whose stack leads through panic(), where there is one. In words.
std::string mark_by_stack(const Kernel& kernel, const Architecture& arch,
                          std::vector<CpuSnapshot>& cpus) {
  for (CpuSnapshot& cpu : cpus) {
    const Backtrace trace = unwind_cpu(kernel, arch, cpu);
    cpu.panicking = std::ranges::any_of(trace.frames, [](const BacktraceFrame& frame) {
      return frame.reliable && frame.at.function == "panic";
    });
    if (cpu.panicking) return fmt::format("The stack of CPU {} leads through panic()", cpu.number);
  }
  return "No CPU's stack leads through panic()";
}

}  // namespace

std::vector<CpuSnapshot> read_cpus(const std::vector<CpuNote>& notes, const Kernel& kernel,
                                   const Architecture& arch, std::vector<std::string>& remarks) {
  std::vector<CpuSnapshot> cpus;
  // atomic_t panic_cpu: kNobody (PANIC_CPU_INVALID) until some CPU enters panic().
  constexpr std::int32_t kNobody = -1;
  const auto panic_cpu = kernel.variable<std::int32_t>("panic_cpu");
  const CpuNumbers numbers(kernel, notes.size());
  std::optional<CpuStacks> stacks;
  bool panicking_seen = false;
  for (const CpuNote& note : notes) {
    auto state = arch.decode_cpu(note);
    if (!state) {
      remarks.push_back(fmt::format("vCPU {}: its registers are not in the core", note.index));
      continue;
    }
    CpuSnapshot cpu;
    cpu.vcpu = note.index;
    cpu.state = *std::move(state);
    identify(kernel, arch, numbers, stacks, notes.size(), cpu);
    const auto current = cpu.task ? std::optional(cpu.task->at) : std::nullopt;
    cpu.context = read_context(kernel, cpu.number, current, cpu.state.registers);
    cpu.panicking = panic_cpu && *panic_cpu >= 0 && static_cast<unsigned>(*panic_cpu) == cpu.number;
    panicking_seen |= cpu.panicking;
    if (cpu.task && cpu.task->stack.size != 0) cpu.stacks.push_back(cpu.task->stack);
    std::ranges::move(arch.cpu_stacks(kernel, cpu.number), std::back_inserter(cpu.stacks));
    const auto on_one = [&](const StackRange& stack) { return stack.contains(cpu.state.sp - 1); };
    if (!cpu.state.user_mode && std::ranges::none_of(cpu.stacks, on_one)) {
      std::ranges::move(arch.stacks_around(kernel, cpu.state.sp), std::back_inserter(cpu.stacks));
    }
    cpus.push_back(std::move(cpu));
  }
  if (kernel.symbols() && !panic_cpu) {
    remarks.push_back("panic: which CPU panicked is not known (no variable panic_cpu)");
  } else if (panic_cpu && *panic_cpu != kNobody && !panicking_seen) {
    const auto count = kernel.variable<std::uint32_t>("nr_cpu_ids").value_or(kMaxCpus);
    remarks.push_back(
        static_cast<std::uint32_t>(*panic_cpu) < count
            ? fmt::format("panic: CPU {} panicked, but its registers are not in the core",
                          *panic_cpu)
            : fmt::format("panic: panic_cpu holds {}, which is no CPU: it was overwritten. {}",
                          *panic_cpu, mark_by_stack(kernel, arch, cpus)));
  }
  return cpus;
}

CpuFacts to_facts(const CpuSnapshot& cpu, const Kernel& kernel) {
  CpuFacts facts;
  facts.index = cpu.number;
  if (cpu.task) {
    facts.comm = cpu.task->comm;
    facts.pid = cpu.task->pid;
    facts.task = cpu.task->at;
  }
  facts.at = kernel.code(cpu.state.pc);
  if (!facts.at) facts.at = CodeLocation{cpu.state.pc, {}, 0, {}};
  facts.registers = cpu.state.registers;
  facts.context = cpu.context;
  facts.panicking = cpu.panicking;
  facts.idle = cpu.task && cpu.task->pid == 0;
  return facts;
}

}  // namespace rig::analyzer
