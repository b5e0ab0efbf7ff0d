// SPDX-License-Identifier: Apache-2.0
// A run for programs: what `crashrig run --json` prints.
#pragma once

#include <string>

#include "base/file.h"
#include "store/record.h"

namespace rig::publish {

// The document of store/record_json.h, with the paths of cores, consoles and findings put below
// `folder` (the run's), so that they can be opened from where the caller is.
std::string run_json(const store::RunRecord& run, const fs::path& folder);

}  // namespace rig::publish
