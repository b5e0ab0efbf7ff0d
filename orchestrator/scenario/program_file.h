// SPDX-License-Identifier: Apache-2.0
// The program of a scenario's `stress`.
#pragma once

#include <span>
#include <string>

#include "base/arch.h"
#include "base/error.h"
#include "base/file.h"
#include "scenario/path_bases.h"

namespace rig::scenario {

// The absolute path of what a scenario calls `written`: guest/stress/NAME that is built with the
// rig, or a static program of the user's own for guests of each of `archs`. Blame::kInput
// otherwise, with the programs there are. `built`: LoadOptions::programs.
Result<fs::path> find_program_file(const std::string& written, std::span<const Arch> archs,
                                   const PathBases& bases, const fs::path& built);

}  // namespace rig::scenario
