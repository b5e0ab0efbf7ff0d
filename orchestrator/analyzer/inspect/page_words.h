// SPDX-License-Identifier: Apache-2.0
// The struct page of a physical address, with its flags by name.
#pragma once

#include <optional>
#include <string>

#include "analyzer/arch/architecture.h"

namespace rig::analyzer {

struct PageWords {
  VirtAddr at{};
  std::optional<std::uint64_t> flags, mapping, index;
  std::optional<std::int64_t> references, maps;
  std::string flag_names;  // "uptodate lru slab"
};

// Nothing when the page array is not known or has no such page in the core.
std::optional<PageWords> read_page_words(const Kernel& kernel, const KernelLayout& layout,
                                         PhysAddr address);

}  // namespace rig::analyzer
