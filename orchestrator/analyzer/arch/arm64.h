// SPDX-License-Identifier: Apache-2.0
// arm64, as far as it goes: registers from the notes, and the kernel's own image and linear map
// through VMCOREINFO, which is enough for the log. Page tables, stacks and types come with the
// analyzer's next part.
#pragma once

#include "analyzer/arch/architecture.h"

namespace rig::analyzer {

// sizeof(struct pt_regs), arch/arm64/include/asm/ptrace.h: user_pt_regs and what the kernel adds.
inline constexpr std::uint64_t kArm64FrameSize = 336;

Result<KernelSpace> open_arm64_kernel(const PhysMemory& memory, const Vmcoreinfo& info,
                                      const std::vector<CpuNote>& cpus);
std::optional<CpuState> decode_arm64_cpu(const CpuNote& note);
std::optional<SavedFrame> decode_arm64_frame(ByteView bytes, VirtAddr at);
std::optional<VirtAddr> arm64_current_task(const Kernel& kernel, unsigned cpu);
std::vector<StackRange> arm64_cpu_stacks(const Kernel& kernel, unsigned cpu);
KernelLayout arm64_layout(const Kernel& kernel);
Region arm64_region(const Kernel& kernel, unsigned paging_levels, VirtAddr address);

}  // namespace rig::analyzer
