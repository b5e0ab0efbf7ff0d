// SPDX-License-Identifier: Apache-2.0
// The parts of one dump (makedumpfile --split): each a kdump file with the bitmaps of all pages and
// the data of a range of them. Source: makedumpfile diskdump_mod.h (split, start_pfn, end_pfn).
#pragma once

#include <string>
#include <vector>

#include "analyzer/core/container.h"

namespace rig::analyzer {

struct NamedContainer {
  std::string name;  // the file's, for errors
  Container container;
};

// In any order. Blame::kInput when one is no part, comes twice or is of another dump. Without all
// parts the dump is usable: a remark says what memory is missing.
Result<Container> join_parts(std::vector<NamedContainer> parts);

}  // namespace rig::analyzer
