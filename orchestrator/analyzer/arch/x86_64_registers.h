// SPDX-License-Identifier: Apache-2.0
// x86_64 registers: NT_PRSTATUS, QEMU's own note, and struct pt_regs on a kernel stack.
#pragma once

#include "analyzer/arch/registers.h"

namespace rig::analyzer {

// sizeof(struct pt_regs), arch/x86/include/asm/ptrace.h.
inline constexpr std::uint64_t kX86FrameSize = 168;

// Nothing when there is no PRSTATUS or it is too short.
std::optional<CpuState> decode_x86_64_cpu(const CpuNote& note);

// The frame at `at` if its fixed parts look like one saved in kernel mode: selectors, flags, and a
// stack pointer in the kernel's half. Whether pc is code is for the caller to ask.
std::optional<SavedFrame> decode_x86_64_frame(ByteView bytes, VirtAddr at);

// A struct pt_regs of which is known that it is one: of kernel or user mode, ORIG_RAX too. Nothing
// when `bytes` are too few.
std::optional<SavedFrame> decode_x86_64_pt_regs(ByteView bytes, VirtAddr at);

}  // namespace rig::analyzer
