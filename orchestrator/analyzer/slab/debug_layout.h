// SPDX-License-Identifier: Apache-2.0
// Where slub_debug and KASAN keep their bytes around the objects of a cache.
// Format: mm/slub.c (the comment "Object layout", calculate_sizes()), mm/kasan/generic.c.
#pragma once

#include <cstdint>
#include <optional>

#include "analyzer/slab/slab_types.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

// Offsets are from the object, as its user sees it. Everything false or empty: nothing is kept.
struct DebugLayout {
  bool red_zone = false;       // before the object, and behind its `object_size` bytes
  bool poison = false;         // the padding is filled; alignment too where there is no red zone
  bool object_poison = false;  // free objects are filled
  std::uint64_t red_left = 0;  // bytes before the object
  std::uint64_t object_size = 0, in_use = 0;  // between them: the right red zone
  std::optional<std::uint64_t> tracks;        // struct track of the allocation, then of the freeing
  std::uint64_t padding = 0, end = 0;         // padding lies between them
  // struct kasan_alloc_meta and kasan_free_meta; the latter may lie in the free object itself.
  std::optional<std::uint64_t> kasan_alloc, kasan_free;
  std::uint64_t kasan_in_object = 0;  // bytes of a free object that KASAN may use
  bool typesafe_by_rcu = false;       // freed objects may still be read

  bool has_bytes() const { return red_zone || poison; }
};

// What the kernel's types say about debugging; asked once per kernel.
class DebugFormat {
 public:
  explicit DebugFormat(const Kernel& kernel);

  // Flags that contradict the cache's own sizes count for nothing.
  DebugLayout layout(const SlabCache& cache) const;
  std::uint64_t track_size() const { return track_size_; }

 private:
  struct Flags {
    std::uint64_t red_zone, poison, store_user, kmalloc, typesafe_by_rcu, object_poison;
  };
  static Flags flags_of(const Kernel& kernel);
  void place_kasan(const SlabCache& cache, DebugLayout& layout) const;

  const Kernel* kernel_;
  Flags flags_{};
  bool has_left_pad_ = false;
  std::uint64_t track_size_ = 0;  // 0: this kernel's types have no struct track
  std::optional<Member> alloc_meta_, free_meta_;
  std::uint64_t alloc_meta_size_ = 0, free_meta_size_ = 0;
};

}  // namespace rig::analyzer
