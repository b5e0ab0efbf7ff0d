// SPDX-License-Identifier: Apache-2.0
// One step up an x86_64 kernel stack, by the kernel's own ORC tables, as arch/x86/kernel/
// unwind_orc.c takes it. Where they have nothing the step is guessed, and says so.
#pragma once

#include "analyzer/arch/architecture.h"

namespace rig::analyzer {

UnwindStep unwind_x86_64(const Kernel& kernel, std::span<const StackRange> stacks,
                         const UnwindPoint& at);

// From the struct inactive_task_frame that __switch_to_asm left at thread.sp
// (arch/x86/include/asm/switch_to.h).
std::optional<UnwindPoint> x86_64_sleeping(const Kernel& kernel, VirtAddr task);

}  // namespace rig::analyzer
