// SPDX-License-Identifier: Apache-2.0
// The swap areas, as /proc/swaps lists them: mm/swapfile.c.
#pragma once

#include <vector>

#include "analyzer/facts/paths.h"
#include "analyzer/guest_facts.h"

namespace rig::analyzer {

// Nothing: it is not known whether there are any (a problem says why).
std::optional<std::vector<SwapFacts>> swap_facts(const PathReader& paths, std::uint64_t page_size,
                                                 std::vector<std::string>& problems);

}  // namespace rig::analyzer
