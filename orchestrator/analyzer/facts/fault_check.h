// SPDX-License-Identifier: Apache-2.0
// BUG() and WARN(): no address was bad, the kernel's own check stopped it. Which one?
#pragma once

#include "analyzer/facts/fault_trace.h"

namespace rig::analyzer {

// `here` is at the trap. Adds the branch that led there and the comparison that decided it, where
// there is but one.
void explain_check(Activation& here, FaultTrace& trace, FaultFacts& facts);

}  // namespace rig::analyzer
