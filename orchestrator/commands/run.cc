// SPDX-License-Identifier: Apache-2.0
// crashrig run SCENARIO...: runs the cells of scenarios and judges what happened.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>
#include <optional>
#include <string>

#include "commands/execute.h"
#include "commands/output.h"
#include "commands/verbs.h"
#include "scenario/capture_reader.h"
#include "scenario/plan.h"

namespace rig::commands {
namespace {

struct RunArguments {
  std::vector<std::string> scenarios;
  scenario::Selection selection;
  unsigned repeat = 0;
  std::string capture;
  std::optional<unsigned> dump_level;
  bool dry_run = false;
  ExecuteArguments execute;
};

Status print_cells(const std::vector<scenario::Cell>& cells, bool json) {
  if (json) {
    boost::json::array list;
    for (const scenario::Cell& cell : cells) {
      list.push_back({{"scenario", cell.scenario->name},
                      {"arch", to_string(cell.arch)},
                      {"kernel", cell.kernel},
                      {"detector", cell.detector.name},
                      {"variant", cell.variant.name},
                      {"repeat", cell.repeat},
                      {"survive", cell.expectation().survive},
                      {"cmdline", fmt::format("{}", fmt::join(cell.cmdline(), " "))}});
    }
    return print_out(boost::json::serialize(boost::json::object{{"cells", list}}) + "\n");
  }
  std::string text;
  for (const scenario::Cell& cell : cells) {
    text += fmt::format("{}  x{}  cmdline: {}\n", cell.name(), cell.repeat,
                        fmt::join(cell.cmdline(), " "));
  }
  return print_out(text + fmt::format("{} cell{}\n", cells.size(), cells.size() == 1 ? "" : "s"));
}

Result<int> run_scenarios(RunArguments arguments, const Context& context) {
  RIG_ASSIGN(const Layout layout, Layout::find());
  if (arguments.repeat != 0) arguments.selection.repeat = arguments.repeat;
  arguments.selection.dump_level = arguments.dump_level;
  if (!arguments.capture.empty()) {
    RIG_ASSIGN(arguments.selection.capture, scenario::parse_capture(arguments.capture));
  }
  RIG_ASSIGN(const auto cells, select_cells(layout, arguments.scenarios, arguments.selection));
  if (arguments.dry_run) {
    RIG_TRY(print_cells(cells, arguments.execute.json));
    return kAsExpected;
  }
  RIG_ASSIGN(const Executed executed, execute(layout, cells, arguments.execute, context));
  return report(executed, arguments.execute.json);
}

}  // namespace

Action declare_run(CLI::App& app) {
  auto arguments = std::make_shared<RunArguments>();
  app.add_option("SCENARIO", arguments->scenarios,
                 "scenario files, folders of them, or names in scenarios/")
      ->required();
  const auto narrow = [&](const char* option, std::vector<std::string>& target, const char* what) {
    app.add_option(option, target, what)->delimiter(',')->allow_extra_args(false);
  };
  narrow("--arch", arguments->selection.arch, "only these architectures (a,b)");
  narrow("--kernel", arguments->selection.kernel,
         "these kernels instead of the scenario's; NAME@ABI pins (debian-6.1@6.1.0-47)");
  narrow("--detector", arguments->selection.detector, "only these detectors");
  narrow("--variant", arguments->selection.variant, "only these variants");
  app.add_option("--repeat", arguments->repeat, "attempts per cell, instead of the scenario's")
      ->check(CLI::Range(1u, 10000u));
  app.add_option("--capture", arguments->capture,
                 "who takes the core: qmp, kdump in the guest, or both; instead of the scenario's");
  app.add_option("--dump-level", arguments->dump_level,
                 "what kdump leaves out, as makedumpfile -d; instead of the scenario's")
      ->check(CLI::Range(0u, scenario::kMaxDumpLevel));
  app.add_flag("--dry-run", arguments->dry_run, "print the cells that would run, and stop");
  add_execute_options(app, arguments->execute);
  return [arguments](const Context& context) { return run_scenarios(*arguments, context); };
}

}  // namespace rig::commands
