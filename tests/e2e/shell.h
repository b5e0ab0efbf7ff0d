// SPDX-License-Identifier: Apache-2.0
// What a reader types.
#pragma once

#include <string>

#include "base/file.h"
#include "base/process.h"

namespace rig::e2e {

// Runs the lines in the folder, to the first that fails. `crashrig` is this build's.
Completed shell(const fs::path& folder, const std::string& lines);

}  // namespace rig::e2e
