// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "store/record.h"

namespace rig::publish {

// One line about the command lines of a run: "command line: 7 of 7 parameters took effect", and by
// name what did not or cannot be seen. Empty when the scenarios have no parameters.
std::string cmdline_text(const store::RunRecord& run);

}  // namespace rig::publish
