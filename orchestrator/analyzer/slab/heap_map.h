// SPDX-License-Identifier: Apache-2.0
// Every slab of the guest and who has it: the CPU that allocates from it, a CPU's partial list, a
// node's, or nobody (full slabs, and those that are on their way from one list to another). No
// object is read for it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analyzer/heap_facts.h"
#include "analyzer/slab/page_scan.h"
#include "analyzer/slab/slab_reader.h"

namespace rig::analyzer {

enum class SlabOwner : std::uint8_t { kNobody, kCpu, kCpuPartial, kNodePartial };

struct MappedSlab {
  SlabPage page;
  SlabOwner owner = SlabOwner::kNobody;
};

// The list of free objects that a CPU allocates from.
struct CpuFreelist {
  std::size_t slab = 0;  // index in HeapMap::slabs
  unsigned cpu = 0;
  VirtAddr first{};
};

struct MappedCache {
  const SlabCache* cache = nullptr;
  std::vector<std::size_t> slabs;          // indices, ascending by page
  std::vector<CpuFreelist> cpu_freelists;  // of CPUs that have a slab
};

// A list of slabs that is not as it must be.
struct ListTrouble {
  CorruptionKind kind{};
  std::size_t cache = 0;  // index in HeapMap::caches
  VirtAddr slab{};        // its first byte; 0: of no slab
  std::string where;      // "partial list of CPU 1"
  std::string words;
  // While somebody in the allocator holds an address in here, it may be about to be right. Size 0:
  // at no moment.
  VirtAddr held_begin{};
  std::uint64_t held_size = 0;
};

struct HeapMap {
  std::vector<MappedSlab> slabs;  // ascending by page
  std::vector<MappedCache> caches;
  std::vector<std::size_t> strangers;  // slabs of no cache on the list
  std::vector<ListTrouble> troubles;
  std::vector<std::string> unwalked;
};

// `ranges`: the guest's memory.
HeapMap map_heap(SlabReader& reader, std::span<const PhysRange> ranges);

}  // namespace rig::analyzer
