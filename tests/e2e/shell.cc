// SPDX-License-Identifier: Apache-2.0
#include "e2e/shell.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace rig::e2e {

Completed shell(const fs::path& folder, const std::string& lines) {
  RunOptions options;
  options.deadline = Deadline::after(std::chrono::minutes(RIG_COMMAND_MINUTES));
  const char* path = std::getenv("PATH");
  const std::string with_ours = fmt::format("{}:{}", fs::path(RIG_PROGRAM).parent_path().string(),
                                            path == nullptr ? "/usr/bin:/bin" : path);
  const Command command{"bash", {"-euo", "pipefail", "-c", lines}, folder, {{"PATH", with_ours}}};
  const auto done = run(command, options);
  if (!done) {
    ADD_FAILURE() << done.error().what;
    return {.exit_code = -1, .out = {}, .err = {}};
  }
  return *done;
}

}  // namespace rig::e2e
