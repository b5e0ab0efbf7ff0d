// SPDX-License-Identifier: Apache-2.0
// Where the guest's memory went: the rows of crash's kmem -i and of /proc/meminfo
// (fs/proc/meminfo.c, mm/page_alloc.c), the zones, and what they mean together.
#pragma once

#include "analyzer/facts/session.h"
#include "analyzer/guest_facts.h"

namespace rig::analyzer {

// Rows that this core cannot fill are absent. An error only as session.kernel().
Result<MemoryFacts> memory_facts(Session& session);
MemoryFacts memory_facts(const Kernel& kernel, std::uint64_t page_size);

// What the rows and zones say about how short memory is, and what reclaim could still do.
std::string memory_verdict(const MemoryFacts& facts);

}  // namespace rig::analyzer
