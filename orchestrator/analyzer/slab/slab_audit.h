// SPDX-License-Identifier: Apache-2.0
// Every cache, slab and list of free objects, and what in them cannot be. Nothing that a healthy
// guest may be in the middle of is called a corruption: what somebody in the allocator holds goes
// into `unwalked`. One corruption for one cause: what follows from a list that broke is not told.
#pragma once

#include <vector>

#include "analyzer/heap_facts.h"
#include "analyzer/slab/allocator_work.h"
#include "analyzer/slab/object_debug.h"
#include "analyzer/slab/slab_reader.h"

namespace rig::analyzer {

struct SlabAuditInput {
  std::vector<PhysRange> memory;  // the guest's: whose struct pages are looked through
  FindAllocatorWork work;
  const ObjectDebug* debug = nullptr;  // null: no debug bytes are looked at
};

SlabFacts audit_slabs(SlabReader& reader, const SlabAuditInput& input);

}  // namespace rig::analyzer
