// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/extents.h"

#include <algorithm>
#include <map>

namespace rig::analyzer {
namespace {

bool ascending(const std::vector<Extent>& extents) {
  return std::is_sorted(extents.begin(), extents.end(),
                        [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
}

bool overlapping(const std::vector<Extent>& sorted) {
  return std::adjacent_find(sorted.begin(), sorted.end(), [](const Extent& a, const Extent& b) {
           return b.begin < a.end();
         }) != sorted.end();
}

void sort(std::vector<Extent>& extents) {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
}

// Keeps of every extent what no earlier one covers. `covered` holds merged ranges, so every range
// that an extent swallows is gone for the next: n log n in all.
std::vector<Extent> first_wins(const std::vector<Extent>& extents) {
  std::vector<Extent> result;
  std::map<std::uint64_t, std::uint64_t> covered;  // begin -> end
  for (const Extent& extent : extents) {
    std::uint64_t begin = extent.begin;
    std::uint64_t end = extent.end();
    std::uint64_t at = begin;
    auto next = covered.upper_bound(begin);
    if (next != covered.begin() && std::prev(next)->second >= begin) --next;
    while (next != covered.end() && next->first <= end) {
      if (next->first > at) {
        result.push_back({at, next->first - at, extent.source + (at - extent.begin)});
      }
      at = std::max(at, next->second);
      begin = std::min(begin, next->first);
      end = std::max(end, next->second);
      next = covered.erase(next);
    }
    if (at < extent.end()) {
      result.push_back({at, extent.end() - at, extent.source + (at - extent.begin)});
    }
    covered.emplace(begin, end);
  }
  return result;
}

}  // namespace

ExtentMap::ExtentMap(std::vector<Extent> extents) : extents_(std::move(extents)) {
  std::erase_if(extents_, [](const Extent& extent) { return extent.size == 0; });
  if (ascending(extents_) && !overlapping(extents_)) return;
  std::vector<Extent> in_order = extents_;
  sort(extents_);
  if (!overlapping(extents_)) return;
  extents_ = first_wins(in_order);
  sort(extents_);
}

const Extent* ExtentMap::at_or_above(std::uint64_t address) const {
  const auto found =
      std::upper_bound(extents_.begin(), extents_.end(), address,
                       [](std::uint64_t a, const Extent& extent) { return a < extent.end(); });
  return found == extents_.end() ? nullptr : &*found;
}

}  // namespace rig::analyzer
