// SPDX-License-Identifier: Apache-2.0
// Signatures outside a scenario: written from a core, and read back to be held against another.
#pragma once

#include <string>
#include <vector>

#include "scenario/scenario.h"

namespace rig::scenario {

// What a detector should show (and on which kernel or architecture, where that is told apart).
struct NamedExpectation {
  std::string detector;
  std::string on;  // "debian-6.1-kasan", "arm64"; empty: all others
  Expectation expectation;
};

// The `expect:` part of a file: of a whole scenario, or of one that has nothing else. Errors as
// load_scenario(), of that part alone.
Result<std::vector<NamedExpectation>> load_signatures(const fs::path& file,
                                                      const LoadOptions& options);

// Those that may be of a core of that architecture: what is expected on another is left out, and
// what is expected on all others too where the architecture has its own. A core does not tell which
// description its kernel was made from: kernels' expectations stay.
std::vector<NamedExpectation> expectations_on(Arch arch, std::vector<NamedExpectation> all);

// "expect:\n  none:\n    report: {...}": what load_signatures() and scenarios read.
std::string signature_text(const std::string& detector, const Expectation& expectation);

}  // namespace rig::scenario
