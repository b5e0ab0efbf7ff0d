// SPDX-License-Identifier: Apache-2.0
#include "commands/verbs.h"

#include <fmt/format.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <vector>

namespace rig::commands {
namespace {

constexpr Verb kVerbs[] = {
    {"demo", "bring the RAID-driver crash back, prove it, show that the fix holds", declare_demo},
    {"run", "run scenarios and judge what happened", declare_run},
    {"analyze", "explain one vmcore, without debuginfo", declare_analyze},
    {"inspect", "ask one vmcore questions: bt, ps, log, struct, rd ...", declare_inspect},
    {"signature", "the expect: block that a core satisfies, or a core held against one",
     declare_signature},
    {"oops", "what the kernel said: crashes in any console log, dmesg or journal", declare_oops},
    {"format", "what a scenario can say: every key, its type, default and meaning", declare_format},
    {"kernels", "the kernels that guests boot: list, fetch, build, prune", declare_kernels},
};

int exit_code(const Error& error) {
  switch (error.blame) {
    case Blame::kInput:
      return kUsage;
    case Blame::kKernel:
      return kNotAsExpected;
    case Blame::kRig:
      return kRigFault;
    case Blame::kCancelled:
      return kCancelled;
  }
  return kRigFault;
}

void complain(const Error& error) {
  fmt::print(stderr, "crashrig: {}\n", error.what);
  if (!error.hint.empty()) fmt::print(stderr, "  next: {}\n", error.hint);
}

// The last line of defence: what no room expected is the rig's fault, and is told.
Result<int> guarded(const Action& action, const Context& context) {
  try {
    return action(context);
  } catch (const std::exception& error) {
    return fail_hint(Blame::kRig, "please report this", "unexpected: {}", error.what());
  }
}

}  // namespace

int dispatch(int argc, char** argv, const Context& context) {
  CLI::App app("Brings kernel crashes back on demand and proves from the vmcore that it is them.",
               "crashrig");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Print the help of every command and exit");
  app.set_version_flag("--version", "crashrig " CRASHRIG_VERSION);
  app.footer(
      "Exit codes: 0 as expected, 1 not as expected, 2 usage or bad input, 3 the rig itself "
      "failed, 130 stopped.");
  std::vector<std::pair<CLI::App*, Action>> actions;
  for (const Verb& verb : kVerbs) {
    CLI::App* sub = app.add_subcommand(verb.name, verb.summary);
    actions.emplace_back(sub, verb.declare(*sub));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kAsExpected : kUsage;
  }
  for (const auto& [sub, action] : actions) {
    if (!sub->parsed()) continue;
    const Result<int> result = guarded(action, context);
    if (result) return *result;
    complain(result.error());
    return exit_code(result.error());
  }
  return kUsage;
}

}  // namespace rig::commands
