// SPDX-License-Identifier: Apache-2.0
// The slab caches of a session's guest.
#pragma once

#include "analyzer/facts/session.h"
#include "analyzer/slab/heap_map.h"
#include "analyzer/slab/slab_audit.h"

namespace rig::analyzer {

// The audit of all of them; what could not be done, and why, is in `unwalked`.
SlabFacts audit_heap(Session& session);

// The guest's memory as far as the core can have it, whatever it claims.
std::vector<PhysRange> believable_memory(const Core& core);

// One cache's slabs, for who looks at them one by one. An error only as Session::kernel(), or
// Blame::kInput when there is no such cache (with the nearest name).
struct CacheSlab {
  VirtAddr begin{}, page{};
  std::string owner;  // "CPU 0", "CPU 1, partial", "node, partial", "full", "nobody"
  std::uint64_t objects = 0, free = 0;
  std::string broken;  // what is wrong with its freelists; empty: nothing
};
struct CacheSlabs {
  SlabCacheFacts facts;
  std::vector<CacheSlab> slabs;
};
Result<CacheSlabs> slabs_of(Session& session, const std::string& cache);

}  // namespace rig::analyzer
