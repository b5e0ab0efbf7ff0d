// SPDX-License-Identifier: Apache-2.0
// The `expect:` part of a scenario: what a detector's crash must look like.
#pragma once

#include <span>
#include <string>

#include "scenario/scenario.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

// One detector's expectation. `report_kinds`: the valid kinds; empty: any.
Expectation read_expectation(const Node& node, const std::string& detector,
                             std::span<const std::string> report_kinds, Problems& problems);

}  // namespace rig::scenario
