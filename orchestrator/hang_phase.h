// SPDX-License-Identifier: Apache-2.0
// What is done about guests that may hang: the watchdog that tells it.
#pragma once

#include <chrono>

#include "base/error.h"
#include "crash/pace.h"
#include "vm/vm.h"

namespace rig {

// Has the agent arm the guest's watchdog, with more time where the machine is slow. Returns what
// the driver made of it. No watchdog is Blame::kRig and names the driver.
Result<std::chrono::seconds> arm_watchdog(vm::Vm& machine, std::chrono::seconds time,
                                          const crash::Pace& pace);

}  // namespace rig
