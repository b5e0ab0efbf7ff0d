// SPDX-License-Identifier: Apache-2.0
// Where a pointer leads. Plain data, as findings.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/heap_facts.h"
#include "base/address.h"

namespace rig::analyzer {

// A slab object that something leads to.
struct SlabObject {
  VirtAddr address{};  // of the object, not of the pointer into it
  std::string cache;   // "kmalloc-1k"
  std::uint64_t object_size = 0;
  std::uint64_t slot = 0;          // index within its slab
  VirtAddr slab{};                 // the slab's first page
  std::optional<bool> allocated;   // nothing: could not be established (see `evidence`)
  std::string evidence;            // "on the freelist of CPU 1", "not on any freelist of its slab"
  std::vector<std::byte> content;  // object_size bytes, as far as they are in the core
  // Who had it last, where slub_debug=U or KASAN noted it.
  std::optional<ObjectTrack> allocated_by = std::nullopt, freed_by = std::nullopt;
};

// One pointer that was followed: from where, and to what.
struct PointerFacts {
  std::string from;  // "register R14", "stack + 0x18", "address of the report"
  VirtAddr value{};
  std::string what;  // in words
  std::optional<SlabObject> object;
  std::uint64_t offset = 0;  // of `value` within the object
};

}  // namespace rig::analyzer
