// SPDX-License-Identifier: Apache-2.0
// What the readers of this room know of their memory beyond the public interface.
#pragma once

#include <vector>

#include "analyzer/core/memory.h"

namespace rig::analyzer {

class DumpMemory : public PhysMemory {
 public:
  // What the file has bytes of, ascending, not overlapping: ranges() without what was left out.
  virtual std::vector<PhysRange> stored() const = 0;
};

}  // namespace rig::analyzer
