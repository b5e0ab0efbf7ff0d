// SPDX-License-Identifier: Apache-2.0
// What slub_debug does to a cache, from kmem_cache.flags.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "analyzer/slab/slab_types.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

class DebugFlags {
 public:
  explicit DebugFlags(const Kernel& kernel);

  // "checks", "red-zone", "poison", "user", "trace"
  std::vector<std::string> of(const SlabCache& cache) const;

 private:
  std::vector<std::pair<std::uint64_t, std::string>> flags_;
};

}  // namespace rig::analyzer
