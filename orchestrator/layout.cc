// SPDX-License-Identifier: Apache-2.0
#include "layout.h"

#include <cstdlib>

namespace rig {
namespace {

bool is_root(const fs::path& folder) {
  std::error_code error;
  return fs::is_directory(folder / "scenarios", error) &&
         fs::is_directory(folder / "kernels", error);
}

}  // namespace

Result<Layout> Layout::find() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return fail(Blame::kRig, "cannot read /proc/self/exe: {}", error.message());
  const fs::path build = program.parent_path();
  if (const char* given = std::getenv("CRASHRIG_ROOT"); given != nullptr && *given != '\0') {
    if (!is_root(given)) {
      return fail(Blame::kInput, "CRASHRIG_ROOT={} holds no scenarios/ and kernels/", given);
    }
    return Layout{fs::absolute(given, error), build};
  }
  for (fs::path folder = build; folder.has_relative_path(); folder = folder.parent_path()) {
    if (is_root(folder)) return Layout{folder, build};
  }
  return fail_hint(Blame::kRig, "set CRASHRIG_ROOT to the repository",
                   "no folder above {} holds scenarios/ and kernels/", program.string());
}

Result<fs::path> Layout::stress_program(const fs::path& program) const {
  const fs::path relative = program.is_absolute() ? program.lexically_relative(root) : program;
  // guest/stress/NAME is built with the rig; anything else must be an executable already.
  std::error_code error;
  for (const fs::path& candidate : {build / relative, root / relative, program}) {
    if (fs::is_regular_file(candidate, error)) return candidate;
  }
  return fail_hint(Blame::kInput, "programs built with the rig are guest/stress/NAME",
                   "stress program {} does not exist", program.string());
}

}  // namespace rig
