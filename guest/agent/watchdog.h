// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "guest/agent/unique_fd.h"
#include "guest/protocol.h"

namespace rig::guest {

// The machine's watchdog (Documentation/watchdog/watchdog-api.rst): once armed, it ends a machine
// on which nobody has fed it for its time.
class Watchdog {
 public:
  explicit Watchdog(std::string device = "/dev/watchdog") : device_(std::move(device)) {}

  // Sets its time, which the driver may round: `armed` is what it said.
  Done arm(const ArmWatchdog& request, WatchdogArmed& armed);
  void feed();
  void disarm();

 private:
  std::string device_;
  UniqueFd fd_;
};

}  // namespace rig::guest
