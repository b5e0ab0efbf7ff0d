// SPDX-License-Identifier: Apache-2.0
//
// What PID 1 does for the machine as a whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "guest/protocol.h"

namespace rig::guest {

// The kernel's file systems, a console on descriptors 0 to 2, the loopback interface up, and the
// agent out of the OOM killer's reach. What fails is logged and left out.
void prepare_system();

// CLOCK_BOOTTIME, in ns.
std::uint64_t boot_time_ns();

// The machine as it is now; `module_errors` is passed through.
Hello describe_system(const std::vector<std::string>& module_errors);

// Writes the disks' caches and switches the machine off; returns only if the kernel refuses.
Done power_off();

}  // namespace rig::guest
