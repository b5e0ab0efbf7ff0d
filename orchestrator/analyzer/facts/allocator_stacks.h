// SPDX-License-Identifier: Apache-2.0
// Which CPUs and which sleeping tasks stand in the slab allocator, by their stacks.
#pragma once

#include <vector>

#include "analyzer/guest_facts.h"
#include "analyzer/slab/allocator_work.h"

namespace rig::analyzer {

class Session;

std::vector<AllocatorWork> find_allocator_work(Session& session);

// Whether the stack leads through the allocator, which was left in the middle of its work: by an
// interrupt, an exception, another CPU's stop. Not when the allocator itself is reporting.
bool is_in_allocator(const Backtrace& trace);

}  // namespace rig::analyzer
