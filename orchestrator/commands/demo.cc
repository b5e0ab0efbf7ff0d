// SPDX-License-Identifier: Apache-2.0
// crashrig demo: the main job, told to somebody who sees it for the first time.
#include <fmt/format.h>

#include <memory>

#include "analyzer/analyzer.h"
#include "base/text.h"
#include "commands/execute.h"
#include "commands/output.h"
#include "commands/verbs.h"

namespace rig::commands {
namespace {

constexpr const char* kStory =
    "A production server crashed every few days in the network stack, always at the address "
    "0x106.\n"
    "The culprit was a RAID driver: it kept a pointer to a command that was long completed, and\n"
    "wrote the mark of the command's owner, 0x106, into memory that belonged to a packet by then.\n"
    "\n"
    "Now it happens here, twice: with the faulty driver, and with the fixed one.\n\n";

// What the core of the faulty driver's attempt says, as `crashrig analyze` tells it.
Status show_proof(const Executed& executed) {
  for (const auto& cell : executed.record.cells) {
    for (const auto& attempt : cell.attempts) {
      if (attempt.core.empty()) continue;
      const fs::path core = executed.folder / attempt.core;
      RIG_ASSIGN(const analyzer::Findings findings, analyzer::analyze(core));
      return print_out(fmt::format("\n$ build/crashrig analyze {}\n\n{}\n", core.string(),
                                   analyzer::to_text(findings)));
    }
  }
  return {};
}

Result<int> run_demo(const ExecuteArguments& arguments, const Context& context) {
  const Stopwatch watch;
  RIG_ASSIGN(const Layout layout, Layout::find());
  scenario::Selection selection;
  selection.arch = {"x86_64"};
  selection.detector = {"none"};
  selection.repeat = 1;
  RIG_ASSIGN(const auto cells, select_cells(layout, {"late-completion"}, selection));
  if (!arguments.json) RIG_TRY(print_out(kStory));
  RIG_ASSIGN(const Executed executed, execute(layout, cells, arguments, context));
  if (arguments.json) return report(executed, true);

  RIG_TRY(show_proof(executed));
  RIG_ASSIGN(const int exit, report(executed, false));
  if (exit == kAsExpected) {
    RIG_TRY(print_out(fmt::format(
        "\nThe faulty driver brought the crash back, and its vmcore proves that it is that crash:\n"
        "0x106 lies 0x2c8 into a 1024-byte object, where the packet's frag_list is. The fixed\n"
        "driver ran the same load to its end. It took {}.\n\n"
        "Next: ./rig run late-completion --detector none,slub --repeat 5; docs/SCENARIOS.md to "
        "write your own\n",
        human_seconds(watch.seconds()))));
  }
  return exit;
}

}  // namespace

Action declare_demo(CLI::App& app) {
  auto arguments = std::make_shared<ExecuteArguments>();
  arguments->keep_core = true;
  add_execute_options(app, *arguments);
  return [arguments](const Context& context) { return run_demo(*arguments, context); };
}

}  // namespace rig::commands
