// SPDX-License-Identifier: Apache-2.0
// Who called whom, on any task's stacks: across interrupt, exception, NMI and overflow stacks, with
// the registers of each exception, and a mark wherever the unwinder had to guess.
#pragma once

#include <span>

#include "analyzer/facts/cpus.h"

namespace rig::analyzer {

// What a CPU was doing, from its registers in the core.
Backtrace unwind_cpu(const Kernel& kernel, const Architecture& arch, const CpuSnapshot& cpu);

// Of a task that runs nowhere, from where it was switched away.
Backtrace unwind_task(const Kernel& kernel, const Architecture& arch, const Task& task);

// From any place: what both of the above do. On one stack the walk only goes up, and it comes to
// each stack once; what does not is a cycle, and the end. What was found after a guess rests on it
// and is not reliable either, unless the walk then leads to where the kernel was entered.
Backtrace unwind_from(const Kernel& kernel, const Architecture& arch,
                      std::span<const StackRange> stacks, const UnwindPoint& start);

}  // namespace rig::analyzer
