// SPDX-License-Identifier: Apache-2.0
// What an audit has found so far: corruptions in words, and what could not be walked, both bounded.
#pragma once

#include <string>
#include <vector>

#include "analyzer/heap_facts.h"
#include "analyzer/slab/free_list.h"
#include "analyzer/slab/object_debug.h"

namespace rig::analyzer {

// One list of free objects, followed.
struct NamedList {
  std::string where;  // "freelist of CPU 1", "freelist of its slab"
  FreeList list;
};

class SlabFindings {
 public:
  explicit SlabFindings(const ObjectDebug* debug) : debug_(debug) {}

  void unwalked(std::string why);

  // A free pointer that does not fit, in an object of the slab or at the head of the list.
  void wrong_pointer(const Slab& slab, const NamedList& found);
  // `slot` is on both, or twice on one list.
  void freed_twice(const Slab& slab, std::uint32_t slot, const NamedList& first,
                   const NamedList& second);
  void free_and_in_use(const Slab& slab, std::uint32_t slot, const std::string& where);
  void wrong_bytes(const Slab& slab, std::optional<std::uint32_t> slot, bool allocated,
                   const std::string& where, WrongBytes bytes);
  void of_slab(CorruptionKind kind, const std::string& cache, VirtAddr slab, std::string where,
               std::string summary);

  // Adds them, with what was left out for their number.
  void move_to(SlabFacts& facts);

 private:
  SlabCorruption of_object(CorruptionKind kind, const Slab& slab, std::uint32_t slot,
                           bool allocated, std::string where) const;
  void add(SlabCorruption corruption);

  const ObjectDebug* debug_;
  std::vector<SlabCorruption> corruptions_;
  std::vector<std::string> unwalked_;
  std::size_t left_out_ = 0, unwalked_left_out_ = 0;
};

}  // namespace rig::analyzer
