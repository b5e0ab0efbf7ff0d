// SPDX-License-Identifier: Apache-2.0
// What each CPU was doing when the machine stopped, and which of them panicked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/facts/tasks.h"

namespace rig::analyzer {

struct CpuSnapshot {
  unsigned vcpu = 0;    // position in the dump
  unsigned number = 0;  // the kernel's own number: the index of its per-CPU area
  CpuState state;
  std::optional<Task> task;
  std::optional<ContextFacts> context;
  bool panicking = false;
  std::vector<StackRange> stacks;  // of the task first, then of the CPU
};

std::vector<CpuSnapshot> read_cpus(const std::vector<CpuNote>& notes, const Kernel& kernel,
                                   const Architecture& arch, std::vector<std::string>& remarks);

CpuFacts to_facts(const CpuSnapshot& cpu, const Kernel& kernel);

}  // namespace rig::analyzer
