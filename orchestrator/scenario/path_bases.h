// SPDX-License-Identifier: Apache-2.0
// Where the paths of a scenario lead.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace rig::scenario {

// A relative path starts from the repository, and where it leads nowhere there, from the scenario's
// own folder. With "./" or "../" in front it always starts from the latter.
struct PathBases {
  fs::path root;    // the repository
  fs::path folder;  // the scenario's

  // Where this path may start, in this order.
  std::vector<fs::path> of(const std::string& written) const;
  // The first that exists, absolute.
  std::optional<fs::path> find(const std::string& written) const;
};

}  // namespace rig::scenario
