// SPDX-License-Identifier: Apache-2.0
// Where an arm64 kernel keeps its current task, its stacks and its large areas.
#pragma once

#include "analyzer/arch/architecture.h"

namespace rig::analyzer {

// arch/arm64/kernel/entry.S: el1h_64_sync and its like; el1_sync and its like before
// ec841aab8d1d (v5.14).
inline constexpr std::string_view kArm64ExceptionEntries[] = {"el1h_64_", "el1t_64_", "el1_"};

std::optional<VirtAddr> arm64_current_task(const Kernel& kernel, unsigned cpu);
// From the one that is entered first to the one that can be entered on top of all others.
std::vector<StackRange> arm64_cpu_stacks(const Kernel& kernel, unsigned cpu);
// Stacks are aligned to twice their size, with nothing mapped below (CONFIG_VMAP_STACK); an IRQ
// stack's first frame record leads to the stack of what was interrupted.
std::vector<StackRange> arm64_stacks_around(const Kernel& kernel, VirtAddr sp);
KernelLayout arm64_layout(const Kernel& kernel);
Region arm64_region(const Kernel& kernel, unsigned paging_levels, VirtAddr address);

// A return address without its pointer authentication code, whose bits VMCOREINFO names; a kernel
// without them signs nothing.
VirtAddr without_pac(const Vmcoreinfo& info, VirtAddr address);

}  // namespace rig::analyzer
