// SPDX-License-Identifier: Apache-2.0
#include "hang_phase.h"

#include <algorithm>

#include "base/deadline.h"
#include "image/boot_image.h"
#include "scenario/guest.h"

namespace rig {
namespace {

constexpr auto kAskTime = std::chrono::seconds(30);  // for a request of the agent

}  // namespace

Result<std::chrono::seconds> arm_watchdog(vm::Vm& machine, std::chrono::seconds time,
                                          const crash::Pace& pace) {
  const auto wanted =
      std::min(std::chrono::ceil<std::chrono::seconds>(pace.scaled(time)), scenario::kMaxWatchdog);
  auto armed = machine.arm_watchdog(wanted, Deadline::after(kAskTime));
  if (armed || armed.error().blame == Blame::kCancelled) return armed;
  return fail_hint(Blame::kRig, "is the driver in this kernel, and the device in the machine?",
                   "the guest has no watchdog of {}: {}", image::kWatchdogDriver,
                   armed.error().what);
}

}  // namespace rig
