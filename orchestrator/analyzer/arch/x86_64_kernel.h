// SPDX-License-Identifier: Apache-2.0
// Where an x86_64 kernel keeps its current task, its stacks and its large areas.
#pragma once

#include "analyzer/arch/architecture.h"

namespace rig::analyzer {

// arch/x86/include/asm/idtentry.h: DECLARE_IDTENTRY*.
inline constexpr std::string_view kX86ExceptionEntries[] = {"asm_exc_", "end_repeat_nmi",
                                                            "repeat_nmi"};

std::optional<VirtAddr> x86_64_current_task(const Kernel& kernel, unsigned cpu);
std::vector<StackRange> x86_64_cpu_stacks(const Kernel& kernel, unsigned cpu);
// None: kallsyms has the data, on every configuration that matters.
std::vector<StackRange> x86_64_stacks_around(const Kernel& kernel, VirtAddr sp);
// The entry code calls its C function with the frame right above the return address.
std::optional<VirtAddr> x86_64_entry_of(const Kernel& kernel, ByteView stack, VirtAddr begin,
                                        std::uint64_t frame);
KernelLayout x86_64_layout(const Kernel& kernel);
Region x86_64_region(const Kernel& kernel, unsigned paging_levels, VirtAddr address);

}  // namespace rig::analyzer
