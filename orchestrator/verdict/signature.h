// SPDX-License-Identifier: Apache-2.0
// From a core's findings to the signature that it satisfies: what of them would be the same if the
// same bug struck again. Addresses, CPUs and pids would not; functions, offsets, caches and the
// values of small or poisoned fields would. Pure.
#pragma once

#include "analyzer/findings.h"
#include "scenario/predicates.h"

namespace rig::verdict {

// Empty (Expectation::empty()) when nothing in the core would tell it from others.
scenario::Expectation signature_of(const analyzer::Findings& findings);

}  // namespace rig::verdict
