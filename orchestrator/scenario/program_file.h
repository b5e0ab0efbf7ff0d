// SPDX-License-Identifier: Apache-2.0
// The program of a scenario's `stress`.
#pragma once

#include <string>

#include "base/error.h"
#include "base/file.h"
#include "scenario/scenario.h"

namespace rig::scenario {

// The absolute path of what a scenario calls `written`: guest/stress/NAME that is built with the
// rig, or a static program of the user's own. Blame::kInput otherwise, with the programs there are.
Result<fs::path> find_program_file(const std::string& written, const LoadOptions& options);

}  // namespace rig::scenario
