// SPDX-License-Identifier: Apache-2.0
// Signatures outside a scenario: written from a core, and read back to be held against another.
#pragma once

#include <string>
#include <vector>

#include "scenario/scenario.h"

namespace rig::scenario {

// What a detector (and a kernel, where that is told apart) should show.
struct NamedExpectation {
  std::string detector;
  std::string kernel;  // empty: any
  Expectation expectation;
};

// The `expect:` part of a file: of a whole scenario, or of one that has nothing else. Errors as
// load_scenario(), of that part alone.
Result<std::vector<NamedExpectation>> load_signatures(const fs::path& file,
                                                      const LoadOptions& options);

// "expect:\n  none:\n    report: {...}": what load_signatures() and scenarios read.
std::string signature_text(const std::string& detector, const Expectation& expectation);

}  // namespace rig::scenario
