// SPDX-License-Identifier: Apache-2.0
// The one place that starts programs. It needs Boost.Process: for process.cc and the vm room's
// child.cc only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/process/v2/process.hpp>
#include <optional>
#include <vector>

#include "base/confinement.h"
#include "base/process.h"

namespace rig {

struct ChildFiles {
  int out = -1;                   // becomes its stdout
  int err = -1;                   // its stderr; stdin is /dev/null
  std::vector<int> inherit = {};  // stay open under the same numbers
};

// Starts `command` under a ChildGuard, seen to its exec. One launch at a time in this process: what
// a launch opens must not slip into the child of another thread's. Errors are Blame::kRig.
Result<boost::process::v2::process> launch(boost::asio::io_context& loop, const Command& command,
                                           ChildFiles files,
                                           std::optional<Confinement> confinement = {});

}  // namespace rig
