// SPDX-License-Identifier: Apache-2.0
#include "scenario/path_bases.h"

namespace rig::scenario {

std::vector<fs::path> PathBases::of(const std::string& written) const {
  if (written.starts_with("./") || written.starts_with("../")) return {folder};
  return {root, folder};
}

std::optional<fs::path> PathBases::find(const std::string& written) const {
  for (const fs::path& base : of(written)) {
    std::error_code error;
    fs::path path = fs::absolute(base / written, error).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();  // "folder/"
    if (!error && fs::exists(path, error)) return path;
  }
  return std::nullopt;
}

}  // namespace rig::scenario
