// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "guest/stress/load.h"

namespace rig::guest {

// Takes memory until the kernel has to reclaim, and holds it until release() or its end.
class MemoryHog {
 public:
  explicit MemoryHog(Load& load) : load_(load) {}
  ~MemoryHog() { release(); }
  MemoryHog(const MemoryHog&) = delete;
  MemoryHog& operator=(const MemoryHog&) = delete;

  // Until the kernel's shrinkers have gone over objects of theirs, and less than `percent` is free:
  // where there are several zones, reclaim begins with the first that runs short. `percent` has to
  // be above the watermarks: what lies below is for the kernel, which kills for it. A little above
  // them it ends in any case.
  bool take_all_but(unsigned percent);
  bool take(std::size_t bytes);
  void release();

 private:
  struct Mapping {
    void* start;
    std::size_t bytes;
  };
  Load& load_;
  std::vector<Mapping> mappings_;
};

}  // namespace rig::guest
