// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/cpus.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

// The kernel's number of the CPU whose per-CPU base is one of `bases`. Counted beside the notes:
// the kernel may number CPUs otherwise than the hypervisor.
std::optional<unsigned> number_of(const Kernel& kernel, const CpuState& state, std::size_t cpus) {
  for (unsigned number = 0; number < cpus; ++number) {
    const auto offset = kernel.per_cpu_offset(number);
    if (offset && *offset != 0 && std::ranges::count(state.per_cpu_bases, *offset) > 0) {
      return number;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<CpuSnapshot> read_cpus(const std::vector<CpuNote>& notes, const Kernel& kernel,
                                   const Architecture& arch, std::vector<std::string>& remarks) {
  std::vector<CpuSnapshot> cpus;
  // atomic_t panic_cpu: PANIC_CPU_INVALID (-1) until some CPU enters panic().
  const auto panic_cpu = kernel.variable<std::int32_t>("panic_cpu");
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
    cpu.number = number_of(kernel, cpu.state, notes.size()).value_or(note.index);
    if (const auto current = arch.current_task(kernel, cpu.number)) {
      cpu.task = read_task(kernel, arch, *current);
    }
    cpu.panicking = panic_cpu && *panic_cpu >= 0 && static_cast<unsigned>(*panic_cpu) == cpu.number;
    panicking_seen |= cpu.panicking;
    if (cpu.task && cpu.task->stack.size != 0) cpu.stacks.push_back(cpu.task->stack);
    std::ranges::move(arch.cpu_stacks(kernel, cpu.number), std::back_inserter(cpu.stacks));
    cpus.push_back(std::move(cpu));
  }
  if (kernel.symbols() && !panic_cpu) {
    remarks.push_back("panic: which CPU panicked is not known (no variable panic_cpu)");
  } else if (panic_cpu && *panic_cpu >= 0 && !panicking_seen) {
    remarks.push_back(
        fmt::format("panic: CPU {} panicked, but its registers are not in the core", *panic_cpu));
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
  facts.panicking = cpu.panicking;
  return facts;
}

}  // namespace rig::analyzer
