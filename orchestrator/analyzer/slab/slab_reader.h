// SPDX-License-Identifier: Apache-2.0
// From an address to the slab object it lies in: page, slab, cache, index, allocated or free.
// Format: mm/slub.c, mm/slab.h. Every step is checked against the others; when they do not agree
// there is no answer. All walks are bounded by the number of objects in a slab.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/arch/architecture.h"
#include "analyzer/slab/cache_reader.h"
#include "analyzer/slab/free_list.h"
#include "analyzer/slab/object_debug.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

struct SlabHit {
  SlabObject object;
  std::int64_t offset = 0;  // of the address in the object: negative within its left red zone
};

class SlabReader {
 public:
  SlabReader(const Kernel& kernel, const Architecture& arch, unsigned cpus);
  SlabReader(const SlabReader&) = delete;
  SlabReader& operator=(const SlabReader&) = delete;

  // Nothing: not in a slab, or the slab's data make no sense (`why` says which).
  std::optional<SlabHit> find(VirtAddr address, std::string* why = nullptr);

  // The struct page of the page that holds `address` of the direct map.
  std::optional<VirtAddr> page_of(VirtAddr address) const {
    return layout_.page_of(kernel_, address);
  }

  // The slab around `address`, and its whole size in bytes. As find().
  struct Place {
    Slab slab;
    std::uint64_t bytes = 0;
  };
  std::optional<Place> slab_at(VirtAddr address, std::string* why = nullptr);

  // What it is made of, for whoever reads more than one address.
  const Kernel& kernel() const { return kernel_; }
  const SlabLayout& layout() const { return layout_; }
  CacheReader& caches() { return caches_; }
  FreeLists& lists() { return lists_; }
  const ObjectDebug& debug();

 private:
  std::optional<VirtAddr> head_of(VirtAddr page) const;
  std::string doubt(const Slab& slab, std::uint64_t free, bool in_use_by_a_cpu) const;
  void establish_state(const Slab& slab, std::uint32_t slot, SlabObject& object);
  void ask_debug_bytes(const SlabCache& cache, SlabObject& object);

  const Kernel& kernel_;
  SlabLayout layout_;
  CacheReader caches_;
  FreeLists lists_;
  std::optional<ObjectDebug> debug_;  // when it is asked for first
};

// The bytes of a slab with so many objects, as its cache makes them: the usual order, or the least
// when memory was short. Nothing: the cache makes no such slabs.
std::optional<std::uint64_t> slab_bytes(const SlabCache& cache, std::uint64_t objects,
                                        std::uint64_t page_size);

}  // namespace rig::analyzer
