// SPDX-License-Identifier: Apache-2.0
// A file that is read by ranges, as the agent of a capture kernel gives it out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/file_ranges.h"

namespace rig::kdump {

// Long runs of zeros are left out, the rest comes in pieces of at most `piece` bytes.
inline RangeReader read_from(const std::string& file, std::uint64_t piece = 10'000) {
  return [&file, piece](std::span<const FileRange> ranges, const ExtentSink& sink) -> Status {
    constexpr std::uint64_t kLong = 4096;
    const std::string zeros(kLong, '\0');
    for (const FileRange& range : ranges) {
      std::string_view rest = std::string_view(file).substr(range.offset, range.size);
      std::uint64_t at = range.offset;
      while (!rest.empty()) {
        if (rest.starts_with(zeros)) {
          const auto run = std::min(rest.size(), rest.find_first_not_of('\0'));
          rest.remove_prefix(run);
          at += run;
          continue;
        }
        const auto part = rest.substr(0, std::min<std::uint64_t>(piece, rest.find(zeros)));
        RIG_TRY(sink(at, as_bytes(part)));
        rest.remove_prefix(part.size());
        at += part.size();
      }
    }
    return {};
  };
}

}  // namespace rig::kdump
