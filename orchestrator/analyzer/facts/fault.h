// SPDX-License-Identifier: Apache-2.0
// Follows the fault: what the faulting instruction wanted, which register held the bad address,
// and where that value came from as far as registers, stack, code and memory still show it.
#pragma once

#include <optional>

#include "analyzer/fault_facts.h"

namespace rig::analyzer {

class Session;

// Nothing when there was no exception, or its registers are not known.
std::optional<FaultFacts> follow_fault(Session& session);

}  // namespace rig::analyzer
