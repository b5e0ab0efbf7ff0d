// SPDX-License-Identifier: Apache-2.0
// A run for people: a table of its cells, and for each that did not pass, why.
#pragma once

#include <string>

#include "base/file.h"
#include "store/record.h"

namespace rig::publish {

struct TextOptions {
  fs::path folder = {};  // of the run: paths are shown below it
  bool colour = false;
};

// Attempts that ended alike are told once. Times are medians.
std::string run_text(const store::RunRecord& run, const TextOptions& options = {});

}  // namespace rig::publish
