// SPDX-License-Identifier: Apache-2.0
// The predicates of a signature over guests that go on no more: how they stopped, what their CPUs
// were doing, which tasks wait for what. `findings` may be null: the core was not analyzed.
#pragma once

#include <vector>

#include "analyzer/findings.h"
#include "scenario/predicates.h"
#include "verdict/verdict.h"

namespace rig::verdict {

Check check_hang(const scenario::HangPredicate& predicate, const Observation& seen);
Check check_during(scenario::During during, const Observation& seen);
// One check for each; no CPU serves two of them, if that can be had.
std::vector<Check> check_cpus(const std::vector<scenario::CpuPredicate>& predicates,
                              const analyzer::Findings* findings);
Check check_task(const scenario::TaskPredicate& predicate, const analyzer::Findings* findings);

}  // namespace rig::verdict
