// SPDX-License-Identifier: Apache-2.0
// Parts of a file that lies elsewhere, and how they come.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/bytes.h"
#include "base/error.h"

namespace rig {

struct FileRange {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// Takes what the file holds from `offset` on. An error ends the reading.
using ExtentSink = std::function<Status(std::uint64_t offset, ByteView bytes)>;

// Hands the bytes of the ranges (ascending, not overlapping) to the sink, in order; blocks of zeros
// may be left out.
using RangeReader = std::function<Status(std::span<const FileRange> ranges, const ExtentSink&)>;

}  // namespace rig
