// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "scenario/scenario.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

// `capture` and `dump_level`, of a scenario or a detector.
std::optional<Capture> read_capture(const Node& node, Problems& problems);
std::optional<unsigned> read_dump_level(const Node& node, Problems& problems);

// The same of the command line: an unknown name is Blame::kInput, with the nearest.
Result<Capture> parse_capture(std::string_view name);

}  // namespace rig::scenario
