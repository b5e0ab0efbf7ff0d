// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "scenario/scenario.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

// `stop_at`: one name or a list of them, checked against the names that `options` has.
std::vector<std::string> read_stop_at(const Node& node, const LoadOptions& options,
                                      Problems& problems);

}  // namespace rig::scenario
