// SPDX-License-Identifier: Apache-2.0
// What the verbs that run guests share: from names to cells, from cells to a record, its report.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "commands/verbs.h"
#include "layout.h"
#include "scenario/plan.h"
#include "store/record.h"

namespace rig::commands {

struct ExecuteArguments {
  std::string results;  // empty: results/ of the repository
  std::string backend = "qemu";
  std::string accelerator = "auto";
  std::string format = "kdump-zlib";  // of cores
  unsigned jobs = 1;
  unsigned retries = 1;  // of an attempt that the rig itself failed
  bool keep_core = false;
  bool refresh = false;  // of the archive's list of packages
  bool json = false;
};

void add_execute_options(CLI::App& app, ExecuteArguments& arguments);

// `names` are scenario files, folders of them, or names in scenarios/.
Result<std::vector<scenario::Cell>> select_cells(const Layout& layout,
                                                 const std::vector<std::string>& names,
                                                 const scenario::Selection& selection);

struct Executed {
  store::RunRecord record;
  fs::path folder;  // results/<run>
};

// Runs the cells with live phases on stderr.
Result<Executed> execute(const Layout& layout, const std::vector<scenario::Cell>& cells,
                         const ExecuteArguments& arguments, const Context& context);

// Prints the table or the JSON document; returns the exit code that the verdicts ask for.
Result<int> report(const Executed& executed, bool json);

}  // namespace rig::commands
