// SPDX-License-Identifier: Apache-2.0
// A sorted map from ranges of addresses (or of file offsets) to where their bytes lie.
#pragma once

#include <cstdint>
#include <vector>

namespace rig::analyzer {

struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
  std::uint64_t source = 0;  // where `begin`'s byte lies; the others follow it

  std::uint64_t end() const { return begin + size; }
};

class ExtentMap {
 public:
  ExtentMap() = default;
  // Where extents overlap, the one that comes first in the list wins. Ends must not overflow.
  explicit ExtentMap(std::vector<Extent> extents);

  // The extent that holds `address`, or the first one above it, or null.
  const Extent* at_or_above(std::uint64_t address) const;

  const std::vector<Extent>& all() const { return extents_; }  // ascending, not overlapping
  std::uint64_t end() const { return extents_.empty() ? 0 : extents_.back().end(); }

 private:
  std::vector<Extent> extents_;
};

}  // namespace rig::analyzer
