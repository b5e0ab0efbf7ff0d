// SPDX-License-Identifier: Apache-2.0
// Which pages of a crashed kernel are worth keeping, by their struct pages: makedumpfile's levels.
// Source: makedumpfile.c (__exclude_unnecessary_pages), include/linux/page-flags.h.
#pragma once

#include <cstdint>

#include "analyzer/core/virt_memory.h"
#include "base/error.h"
#include "kdump/dump_level.h"
#include "kdump/page_set.h"
#include "kdump/vmcore_layout.h"

namespace rig::kdump {

// The pages of the layout's memory.
PageSet all_pages(const VmcoreLayout& layout);

// Takes out of `pages` what `level` excludes, but for zeros, which struct pages do not tell. A page
// whose struct page cannot be read stays. `memory` is the kernel's own.
Status exclude_pages(const VmcoreLayout& layout, const analyzer::VirtMemory& memory,
                     std::uint32_t level, PageSet& pages);

}  // namespace rig::kdump
