// SPDX-License-Identifier: Apache-2.0
// Caches and slabs as the kernel describes them. Format: include/linux/slub_def.h, mm/slab.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"

namespace rig::analyzer {

// What a kmem_cache says about the objects in its slabs.
struct SlabCache {
  VirtAddr at{};
  std::string name;
  std::uint64_t size = 0;               // from one object to the next
  std::uint64_t object_size = 0;        // of what the user asked for
  std::uint64_t free_pointer = 0;       // its offset in a free object
  std::uint64_t red_left = 0;           // red zone before each object, with slub_debug=Z
  std::optional<std::uint64_t> random;  // CONFIG_SLAB_FREELIST_HARDENED
  std::vector<VirtAddr> per_cpu;        // each CPU's struct kmem_cache_cpu; empty on tiny configs
  bool sheaves = false;                 // free objects may wait in per-CPU sheaves (v6.18)
  std::uint64_t flags = 0;              // SLAB_*, SLUB's internal ones too
  std::uint64_t in_use = 0;  // kmem_cache.inuse: where the metadata behind the user's part begins
  std::uint64_t align = 0;
  bool has_constructor = false;
  std::uint64_t usual = 0, least = 0;  // kmem_cache.oo and .min: how its slabs are made
};

// One slab: the pages that hold objects of one cache.
struct Slab {
  VirtAddr page{};   // its first struct page
  VirtAddr begin{};  // its first byte
  std::uint64_t objects = 0;
  std::uint64_t in_use = 0;
  bool frozen = false;  // some CPU allocates from it: in_use counts its freelist as used
  VirtAddr freelist{};
  SlabCache cache;

  VirtAddr object(std::uint64_t slot) const { return begin + slot * cache.size + cache.red_left; }
};

}  // namespace rig::analyzer
