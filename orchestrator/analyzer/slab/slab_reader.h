// SPDX-License-Identifier: Apache-2.0
// From an address to the slab object it lies in: page, slab, cache, index, allocated or free.
// Format: mm/slub.c, mm/slab.h. Every step is checked against the others; when they do not agree
// there is no answer. All walks are bounded by the number of objects in a slab.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "analyzer/arch/architecture.h"
#include "analyzer/slab/slab_types.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

struct SlabHit {
  SlabObject object;
  std::int64_t offset = 0;  // of the address in the object: negative within its left red zone
};

class SlabReader {
 public:
  SlabReader(const Kernel& kernel, const Architecture& arch, unsigned cpus);

  // Nothing: not in a slab, or the slab's data make no sense (`why` says which).
  std::optional<SlabHit> find(VirtAddr address, std::string* why = nullptr);

  // The struct page of the page that holds `address` of the direct map.
  std::optional<VirtAddr> page_of(VirtAddr address) const;

 private:
  enum class Decoding { kPlain, kXor, kXorSwapped };
  struct FreeList {
    std::vector<VirtAddr> objects;
    std::string broken;  // why the walk ended early; empty: it reached the end
  };

  std::optional<VirtAddr> head_of(VirtAddr page) const;
  bool is_slab(VirtAddr head) const;
  std::optional<Slab> read_slab(VirtAddr address, std::string& why);
  std::optional<SlabCache> read_cache(VirtAddr at) const;
  std::optional<std::uint64_t> slab_field(VirtAddr page, std::string_view member) const;
  FreeList walk(const Slab& slab, VirtAddr first) const;
  FreeList walk(const Slab& slab, VirtAddr first, Decoding decoding) const;
  bool is_object(const Slab& slab, VirtAddr address) const;
  std::string doubt(const Slab& slab, std::uint64_t free, bool in_use_by_a_cpu) const;
  void establish_state(const Slab& slab, SlabObject& object) const;

  const Kernel& kernel_;
  std::vector<std::uint64_t> per_cpu_offsets_;
  KernelLayout layout_;
  std::uint64_t page_struct_size_ = 0;
  std::optional<unsigned> slab_bit_;             // in page.flags
  std::optional<std::uint32_t> slab_page_type_;  // or the value of page._mapcount
  std::unordered_map<std::uint64_t, std::optional<SlabCache>> caches_;
};

}  // namespace rig::analyzer
