// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/page_cache.h"

namespace rig::analyzer {

ByteView PageCache::find(std::uint64_t page) {
  if (sets_.empty()) return {};
  const std::size_t index = set_of(page);
  Set& set = sets_[index];
  for (std::size_t way = 0; way < kWays; ++way) {
    if (set.pages[way] != page) continue;
    set.recent[way] = true;
    return slot(index, way);
  }
  return {};
}

MutableBytes PageCache::insert(std::uint64_t page) {
  if (sets_.empty()) {
    sets_.resize(sets_count_);
    bytes_ = std::make_unique_for_overwrite<std::byte[]>(sets_count_ * kWays * page_size_);
  }
  const std::size_t index = set_of(page);
  Set& set = sets_[index];
  // The hand takes the second chance from pages as it passes; after one round one is without.
  while (set.recent[set.hand]) {
    set.recent[set.hand] = false;
    set.hand = (set.hand + 1) % kWays;
  }
  const std::size_t way = set.hand;
  set.hand = (set.hand + 1) % kWays;
  set.pages[way] = page;
  return slot(index, way);
}

void PageCache::forget(std::uint64_t page) {
  if (sets_.empty()) return;
  for (std::uint64_t& known : sets_[set_of(page)].pages) {
    if (known == page) known = kEmpty;
  }
}

}  // namespace rig::analyzer
