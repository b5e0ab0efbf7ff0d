// SPDX-License-Identifier: Apache-2.0
// The verbs of the command line, one file each. To add one: declare it here, list it in verbs.cc.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <stop_token>

#include "base/error.h"

namespace rig::commands {

// Exit codes, the same for every verb.
enum Exit : int {
  kAsExpected = 0,
  kNotAsExpected = 1,
  kUsage = 2,     // wrong arguments or bad input files
  kRigFault = 3,  // the rig itself failed: says nothing about the kernel
  kCancelled = 130,
};

struct Context {
  std::stop_token stop;  // fires on Ctrl-C, SIGTERM and SIGHUP
};

// Declares its options on `app` and returns what to do once they are parsed.
using Action = std::function<Result<int>(const Context&)>;

Action declare_run(CLI::App& app);
Action declare_demo(CLI::App& app);
Action declare_format(CLI::App& app);
Action declare_analyze(CLI::App& app);
Action declare_inspect(CLI::App& app);
Action declare_kernels(CLI::App& app);
Action declare_oops(CLI::App& app);
Action declare_signature(CLI::App& app);

struct Verb {
  const char* name;
  const char* summary;
  Action (*declare)(CLI::App& app);
};

// Parses the command line and runs the verb it names. Returns the exit code.
int dispatch(int argc, char** argv, const Context& context);

}  // namespace rig::commands
