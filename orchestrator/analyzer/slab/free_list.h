// SPDX-License-Identifier: Apache-2.0
// Lists of free objects: the one place that decodes free pointers and follows them.
// Format: freelist_ptr() and get_freepointer() of mm/slub.c.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/slab/slab_layout.h"
#include "analyzer/slab/slab_types.h"

namespace rig::analyzer {

// A hardened kernel stores a pointer XORed with the cache's random number and with the address
// where it is stored: byte-swapped since 1ad53d9fa3f6 (v5.7), as it is before.
enum class PointerCoding { kPlain, kXor, kXorSwapped };

struct FreeList {
  enum class End {
    kNull,        // as it should
    kInvalid,     // a pointer that is no address of the direct map
    kForeign,     // leads out of the slab
    kMisaligned,  // leads between its objects
    kRepeated,    // leads to an object that is on this list before
    kUnreadable,  // an object that is not in the core
  };

  std::vector<std::uint32_t> slots;  // the objects on it, in order
  End end = End::kNull;
  // When it does not end with NULL: the pointer that does not fit, and the object that holds it;
  // nothing: it is the list's first.
  VirtAddr bad{};
  std::optional<std::uint32_t> holder;
  std::uint64_t stored = 0;  // that pointer as it lies in the holder
  std::string broken;        // in words; empty: the list ended with NULL
};

class FreeLists {
 public:
  FreeLists(const Kernel& kernel, const SlabLayout& layout) : kernel_(kernel), layout_(layout) {}

  // From `first` on. No more steps than the slab has objects.
  FreeList walk(const Slab& slab, VirtAddr first);

  // Nothing: no list that ends with NULL was seen yet, which is what proves it.
  std::optional<PointerCoding> coding() const { return coding_; }

 private:
  FreeList walk(const Slab& slab, VirtAddr first, PointerCoding coding);
  FreeList::End misfit(const Slab& slab, VirtAddr pointer) const;

  const Kernel& kernel_;
  const SlabLayout& layout_;
  std::optional<PointerCoding> coding_;
  std::vector<std::uint64_t> seen_;  // a bit for each object
};

// The slot of the object that begins exactly at `address`.
std::optional<std::uint32_t> slot_of(const Slab& slab, VirtAddr address);

}  // namespace rig::analyzer
