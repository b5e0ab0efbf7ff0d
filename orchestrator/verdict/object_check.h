// SPDX-License-Identifier: Apache-2.0
// The object predicate: does anything that the crash leads to lie in a slab object with that value?
#pragma once

#include "analyzer/findings.h"
#include "scenario/scenario.h"
#include "verdict/verdict.h"

namespace rig::verdict {

// `findings` may be null: the core was not analyzed, and the check does not hold.
Check check_object(const scenario::ObjectPredicate& predicate, const analyzer::Findings* findings);

}  // namespace rig::verdict
