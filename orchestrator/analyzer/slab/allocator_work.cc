// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/allocator_work.h"

#include <algorithm>

namespace rig::analyzer {

std::optional<std::string> InFlight::holder(VirtAddr begin, std::uint64_t size) {
  if (!work_) {
    work_ = find_ ? find_() : std::vector<AllocatorWork>{};
    for (AllocatorWork& each : *work_) std::ranges::sort(each.words);
  }
  for (const AllocatorWork& each : *work_) {
    const auto word = std::ranges::lower_bound(each.words, raw(begin));
    if (word != each.words.end() && *word - raw(begin) < size) return each.who;
  }
  return std::nullopt;
}

}  // namespace rig::analyzer
