// SPDX-License-Identifier: Apache-2.0
// The kernel's clock tick: how many there were, and how long one is. Format:
// include/linux/jiffies.h.
#pragma once

#include <cstdint>
#include <optional>

#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

struct KernelTicks {
  std::optional<std::uint64_t> now;  // jiffies when the machine stopped
  unsigned per_second = 0;           // HZ; 0: not known

  static KernelTicks read(const Kernel& kernel);

  // How long before the stop `when`, in jiffies, was. Nothing for the future, or without a clock.
  std::optional<double> seconds_since(std::uint64_t when) const;
};

}  // namespace rig::analyzer
