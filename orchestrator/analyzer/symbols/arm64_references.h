// SPDX-License-Identifier: Apache-2.0
// Which fixed addresses a function of an arm64 kernel refers to: ADRP and the ADD, load or store
// that completes it. A way to variables that have no symbol, through functions that have one.
// Encoding: Arm ARM (DDI 0487), C4.1. Loops and jumps are not followed: what a register holds is
// forgotten where control may come from elsewhere.
#pragma once

#include <vector>

#include "analyzer/core/virt_memory.h"

namespace rig::analyzer {

struct Reference {
  VirtAddr address{};
  bool accessed = false;  // by a load, a store or an atomic; else its address is only computed
  bool operator==(const Reference&) const = default;
};

// In the order of the code, each address once. `code` lies at `begin`.
std::vector<Reference> arm64_references(ByteView code, VirtAddr begin);

}  // namespace rig::analyzer
