// SPDX-License-Identifier: Apache-2.0
// What a CPU was in the middle of: NMI, hardirq, softirq or a task, from its preempt_count.
// Format: include/linux/preempt.h.
#pragma once

#include <optional>
#include <span>

#include "analyzer/arch/registers.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

// The counts in one preempt_count.
ContextFacts decode_context(std::uint32_t preempt_count);

// Whether interrupts are disabled, from the flags among a CPU's registers.
std::optional<bool> irqs_off(std::span<const RegisterValue> registers);

// Of the CPU with the kernel's number `cpu`, which runs `task`. Nothing when this kernel has no
// preempt_count where we know to look, or it is not in the core.
std::optional<ContextFacts> read_context(const Kernel& kernel, unsigned cpu,
                                         std::optional<VirtAddr> task,
                                         std::span<const RegisterValue> registers);

}  // namespace rig::analyzer
