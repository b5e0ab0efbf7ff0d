// SPDX-License-Identifier: Apache-2.0
// The guest's clocks when it stopped, from its timekeeper (kernel/time/timekeeping.c).
#pragma once

#include <optional>

#include "analyzer/facts/field_reader.h"

namespace rig::analyzer {

struct GuestClock {
  double since_boot = 0;   // seconds, with what the machine slept
  std::uint64_t wall = 0;  // seconds since 1970, UTC
};

// As of the last tick. Nothing without `tk_core`, or when what is there makes no sense.
std::optional<GuestClock> read_timekeeper(const FieldReader& fields);

// Seconds since the boot by jiffies_64, where the kernel's tick length is known.
std::optional<double> uptime_by_jiffies(const Kernel& kernel);

}  // namespace rig::analyzer
