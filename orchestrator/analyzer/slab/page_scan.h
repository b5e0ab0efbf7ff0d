// SPDX-License-Identifier: Apache-2.0
// All slabs of the guest, through the array of struct page: full slabs are on no list.
#pragma once

#include <span>
#include <vector>

#include "analyzer/core/memory.h"
#include "analyzer/slab/slab_layout.h"

namespace rig::analyzer {

struct PageScan {
  std::vector<SlabPage> slabs;  // ascending by page
  std::vector<SlabPage> lost;   // no slabs, though they still name one of `caches` as theirs
  std::uint64_t pages = 0;      // whose struct page was looked at
  std::uint64_t missing = 0;    // bytes of the array that are not in the core
};

// `ranges`: the guest's memory, ascending. `caches`: the addresses of all, ascending. Reads 64
// bytes for each of its pages; nothing else of the analyzer grows with the guest's memory.
PageScan scan_pages(const Kernel& kernel, const SlabLayout& layout,
                    std::span<const PhysRange> ranges, std::span<const std::uint64_t> caches);

}  // namespace rig::analyzer
