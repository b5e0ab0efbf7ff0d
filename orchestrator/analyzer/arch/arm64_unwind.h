// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "analyzer/arch/architecture.h"

namespace rig::analyzer {

UnwindStep unwind_arm64(const Kernel& kernel, std::span<const StackRange> stacks,
                        const UnwindPoint& at);
std::optional<UnwindPoint> arm64_sleeping(const Kernel& kernel, VirtAddr task);

}  // namespace rig::analyzer
