// SPDX-License-Identifier: Apache-2.0
// Who is in the middle of an exception when nobody has panicked (yet).
#pragma once

#include <span>

#include "analyzer/facts/cpus.h"
#include "analyzer/facts/exception.h"

namespace rig::analyzer {

// The CPU that still tells of it: it stands on the stack where it happened. Null: none does, the
// kernel has gone on.
const CpuSnapshot* cpu_inside(const FoundException& exception, std::span<const CpuSnapshot> cpus);

}  // namespace rig::analyzer
