// SPDX-License-Identifier: Apache-2.0
// arm64 registers: NT_PRSTATUS, and struct pt_regs on a kernel stack.
#pragma once

#include "analyzer/arch/registers.h"

namespace rig::analyzer {

// As much of a struct pt_regs (arch/arm64/include/asm/ptrace.h) as has to be there: up to the end
// of its `stackframe`, the frame record of the entry code. x29 points to that while the exception
// is handled. Since v4.15 a record {x29, pc} of what was interrupted; since v6.13 {0, 0} and a
// type.
inline constexpr std::uint64_t kArm64FrameSize = 320;
inline constexpr std::uint64_t kArm64Record = 304;
inline constexpr std::uint64_t kArm64TypedRecord = 296;
// arch/arm64/include/asm/stacktrace/frame.h: FRAME_META_TYPE_FINAL, FRAME_META_TYPE_PT_REGS.
inline constexpr std::uint64_t kArm64FinalRecord = 1, kArm64ExceptionRecord = 2;

// Nothing when there is no PRSTATUS or it is too short.
std::optional<CpuState> decode_arm64_cpu(const CpuNote& note);

// The frame at `at` if it is one saved in kernel mode: a state that a kernel can be in, a stack
// pointer in its half, and the record of the entry code, which proves it.
std::optional<SavedFrame> decode_arm64_frame(ByteView bytes, VirtAddr at);
// The same for one saved in user mode (EL0), 64-bit or 32-bit; only its pstate speaks for it.
std::optional<SavedFrame> decode_arm64_user_frame(ByteView bytes, VirtAddr at);

}  // namespace rig::analyzer
