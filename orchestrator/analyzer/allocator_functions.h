// SPDX-License-Identifier: Apache-2.0
// The functions that allocate and free for others: between whoever asked for memory and the note
// about it. Who comes before them in a stack is the one to name.
#pragma once

#include "analyzer/guest_facts.h"

namespace rig::analyzer {

// By the beginning of its name: the allocator itself, its wrappers, and what notes the stack.
bool allocates_for_others(const CodeLocation& at);

}  // namespace rig::analyzer
