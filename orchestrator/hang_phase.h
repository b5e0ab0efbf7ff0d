// SPDX-License-Identifier: Apache-2.0
// What is done about guests that may hang: the watchdog that tells it, and the NMI that makes the
// kernel say something.
#pragma once

#include <chrono>

#include "base/error.h"
#include "crash/pace.h"
#include "store/record.h"
#include "vm/vm.h"

namespace rig {

// Has the agent arm the guest's watchdog, with more time where the machine is slow. Returns what
// the driver made of it. No watchdog is Blame::kRig and names the driver.
Result<std::chrono::seconds> arm_watchdog(vm::Vm& machine, std::chrono::seconds time,
                                          const crash::Pace& pace);

// Of a guest that hangs hard and whose core has been taken: sends it an NMI, where the machine can,
// and lets it run on until it says nothing more. What the kernel says goes into `hang.nmi`. A guest
// that is lost on the way costs only that; the only error is Blame::kCancelled. `panics`: the
// kernel is told to panic of it (unknown_nmi_panic), and such a panic is long in being printed.
Status ask_by_nmi(vm::Vm& machine, const crash::Pace& pace, store::Hang& hang, bool panics = true);

}  // namespace rig
