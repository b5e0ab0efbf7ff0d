// SPDX-License-Identifier: Apache-2.0
// Where a guest is to be stopped: the names of a scenario's `stop_at`, found in this very guest.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/deadline.h"
#include "base/error.h"
#include "vm/vm.h"

namespace rig::crash {

struct StopPoint {
  std::string function;
  VirtAddr address{};
};

// Asks the (running) guest for the functions and sets a breakpoint on each. A group needs one of
// its functions, a name that function; what the kernel does not have is Blame::kInput and the error
// says what it has instead.
Result<std::vector<StopPoint>> set_stop_points(vm::Vm& machine, std::span<const std::string> names,
                                               Deadline deadline);

}  // namespace rig::crash
