// SPDX-License-Identifier: Apache-2.0
// From /proc/vmcore of a capture kernel, read from afar, to a core on disk.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "base/file.h"
#include "base/file_ranges.h"
#include "base/progress.h"

namespace rig::kdump {

struct SavedCore {
  std::uint64_t pages = 0;     // of the guest
  std::uint64_t wanted = 0;    // by their struct pages
  std::uint64_t stored = 0;    // of these; zeros share one page of the file
  std::uint64_t received = 0;  // bytes of memory
};

// Reads what `level` (dump_level.h) leaves over and writes it to `path`. Nothing is left there when
// it fails.
Result<SavedCore> save_vmcore(const RangeReader& read, const fs::path& path, std::uint32_t level,
                              const ProgressSink& progress);

}  // namespace rig::kdump
