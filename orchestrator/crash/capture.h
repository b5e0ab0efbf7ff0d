// SPDX-License-Identifier: Apache-2.0
// From a crashed (or hung) machine to a core on disk.
#pragma once

#include <cstdint>

#include "base/deadline.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "vm/vm.h"

namespace rig::crash {

struct Capture {
  fs::path path;            // <folder>/vmcore
  std::uint64_t bytes = 0;  // of the file
  double seconds = 0;       // stopping and dumping together
};

// Stops the guest, if it still runs, and writes its memory to `folder` (created if missing).
// Nothing is left at the path when it fails. Whatever fails here is not the kernel's doing.
Result<Capture> capture(vm::Vm& machine, const fs::path& folder, vm::DumpFormat format,
                        const ProgressSink& progress, Deadline deadline);

}  // namespace rig::crash
