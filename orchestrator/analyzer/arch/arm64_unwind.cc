// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/arm64_unwind.h"

namespace rig::analyzer {

UnwindStep unwind_arm64(const Kernel&, std::span<const StackRange>, const UnwindPoint&) {
  UnwindStep step;
  step.why = "not unwound";
  return step;
}

std::optional<UnwindPoint> arm64_sleeping(const Kernel&, VirtAddr) {
  return std::nullopt;
}

}  // namespace rig::analyzer
