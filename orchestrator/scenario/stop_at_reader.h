// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "scenario/schema_reader.h"

namespace rig::scenario {

// `stop_at`: one name or a list of them. `valid`: the names that there are, or none for no check;
// "fn:NAME" is any function of the kernel.
std::vector<std::string> read_stop_at(const Node& node, std::span<const std::string> valid,
                                      Problems& problems);

}  // namespace rig::scenario
