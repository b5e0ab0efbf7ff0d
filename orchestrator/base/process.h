// SPDX-License-Identifier: Apache-2.0
// Runs a program to its end: output captured, with a deadline, cancellable, nothing left behind.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/deadline.h"
#include "base/error.h"
#include "base/file.h"

namespace rig {

struct Command {
  std::string program;  // a path, or a name looked up in $PATH
  std::vector<std::string> args;
  fs::path directory;                                            // where it runs; empty: here
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours

  // As one would type it into a shell, for messages and records.
  std::string to_shell() const;
};

struct RunOptions {
  Deadline deadline = Deadline::after(std::chrono::minutes(10));
  std::stop_token stop = {};
  std::function<void(std::string_view line)> on_line = {};  // stdout and stderr, as lines arrive
  std::size_t output_limit = 16 << 20;                      // bytes kept of each stream
};

struct Completed {
  int exit_code = 0;  // 128 + N when signal N ended it
  std::string out;
  std::string err;

  bool ok() const { return exit_code == 0; }
};

// Errors: program not found, could not start, deadline passed, cancelled. A non-zero exit is not an
// error here. However it ends, its process group is killed with it; output that a daemon of another
// group holds open is waited for a second at most.
Result<Completed> run(const Command& command, const RunOptions& options = {});

// The same, but a non-zero exit is an error that quotes the end of the program's own message.
Result<Completed> run_ok(const Command& command, const RunOptions& options = {},
                         Blame blame = Blame::kRig);

// The program's path, looked up in $PATH. The error names the Debian package that has it.
Result<fs::path> find_program(std::string_view name, std::string_view debian_package);

// One argument quoted for a POSIX shell, when it needs it.
std::string shell_quote(std::string_view text);

}  // namespace rig
