// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "analyzer/arch/architecture.h"

namespace rig::analyzer {

UnwindStep unwind_x86_64(const Kernel& kernel, std::span<const StackRange> stacks,
                         const UnwindPoint& at);
std::optional<UnwindPoint> x86_64_sleeping(const Kernel& kernel, VirtAddr task);

}  // namespace rig::analyzer
