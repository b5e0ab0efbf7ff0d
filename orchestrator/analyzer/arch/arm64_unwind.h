// SPDX-License-Identifier: Apache-2.0
// arm64 stacks: chained frame records {x29, x30} at x29, the records that the entry code embeds in
// struct pt_regs, and what the registers add where no record was written yet.
// As arch/arm64/kernel/stacktrace.c and entry.S do it.
#pragma once

#include "analyzer/arch/architecture.h"

namespace rig::analyzer {

// `stacks` in the order in which they are entered, as arm64_cpu_stacks() gives them behind the
// task's: a walk never leads back to a later one, and on one stack only upwards.
UnwindStep unwind_arm64(const Kernel& kernel, std::span<const StackRange> stacks,
                        const UnwindPoint& at);
std::optional<UnwindPoint> arm64_sleeping(const Kernel& kernel, VirtAddr task);

// The entry code whose frame record lies below the struct pt_regs at `frame` of `stack` (which
// begins at `begin`) and points to it: the address its call returns to.
std::optional<VirtAddr> arm64_entry_of(const Kernel& kernel, ByteView stack, VirtAddr begin,
                                       std::uint64_t frame);

}  // namespace rig::analyzer
