// SPDX-License-Identifier: Apache-2.0
// The `expect:` part of a scenario: what a detector's crash must look like.
#pragma once

#include <span>
#include <string>

#include "scenario/scenario.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

// What read_expectation() holds the names against.
struct ExpectationNames {
  std::span<const std::string> report_kinds;           // empty: any
  std::span<const std::string> kernels;                // that there are descriptions of; empty: any
  std::span<const std::string> corruption_kinds = {};  // empty: any
};

// One entry of `expect:`, for the detector of that name: `expect` and `expect_on`.
void read_expectation(const Node& node, const ExpectationNames& names, Detector& detector,
                      Problems& problems);

}  // namespace rig::scenario
