// SPDX-License-Identifier: Apache-2.0
#include "publish/run_json.h"

#include "store/record_json.h"

namespace rig::publish {

std::string run_json(const store::RunRecord& run, const fs::path& folder) {
  store::RunRecord placed = run;
  for (store::CellRecord& cell : placed.cells) {
    for (store::Attempt& attempt : cell.attempts) {
      for (std::string* path : {&attempt.core, &attempt.console, &attempt.findings}) {
        if (!path->empty()) *path = (folder / *path).string();
      }
    }
  }
  return store::to_json(placed);
}

}  // namespace rig::publish
