// SPDX-License-Identifier: Apache-2.0
// `cmdline:` and `ignored_ok:` of a scenario and of its detectors.
#pragma once

#include <string>
#include <vector>

#include "scenario/schema_reader.h"

namespace rig::scenario {

std::vector<std::string> read_cmdline(const Node& node, Problems& problems);

// Names of parameters of `cmdline` that may be without effect. One that is not there would excuse
// nothing: it is a problem.
std::vector<std::string> read_ignored_ok(const Node& node, const std::vector<std::string>& cmdline,
                                         Problems& problems);

}  // namespace rig::scenario
