// SPDX-License-Identifier: Apache-2.0
#include "commands/execute.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "analyzer/heap_facts.h"
#include "base/text.h"
#include "commands/output.h"
#include "oops/report.h"
#include "oops/reporting_functions.h"
#include "pipeline.h"
#include "publish/live_view.h"
#include "publish/run_json.h"
#include "publish/run_text.h"
#include "scenario/kernel_spec.h"

namespace rig::commands {
namespace {

Result<vm::DumpFormat> parse_format(const std::string& name) {
  std::vector<std::string> names;
  for (const vm::NamedDumpFormat& each : vm::kDumpFormats) {
    if (each.name == name) return each.format;
    names.emplace_back(each.name);
  }
  return fail(Blame::kInput, "--format: unknown format '{}'{}", name, suggest(name, names));
}

// The folder's *.yaml, sorted; of a folder that cannot be read, nothing.
std::vector<fs::path> yaml_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".yaml") files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::vector<fs::path>> scenario_files(const Layout& layout, const std::string& name) {
  std::error_code error;
  if (fs::is_directory(name, error)) {
    auto files = yaml_files(name);
    if (files.empty())
      return fail(Blame::kInput, "{} holds no scenario (*.yaml) that can be read", name);
    return files;
  }
  if (fs::exists(name, error)) return std::vector<fs::path>{name};
  std::vector<std::string> names;
  for (const fs::path folder : {"scenarios", "scenarios/suites"}) {
    const fs::path known = layout.root / folder / (name + ".yaml");
    if (fs::exists(known, error)) return std::vector<fs::path>{known};
    for (const fs::path& file : yaml_files(layout.root / folder)) names.push_back(file.stem());
  }
  return fail(Blame::kInput, "no scenario file or name '{}'{}", name, suggest(name, names));
}

// A wrong --results is told before anything is fetched or built.
Status check_writable(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail(Blame::kInput, "--results {}: {}", folder.string(), error.message());
  if (::access(folder.c_str(), W_OK | X_OK) == 0) return {};
  return fail_errno(errno, fmt::format("--results {}", folder.string()), Blame::kInput);
}

// Relative to where the user is, when it lies below.
fs::path as_seen_from_here(const fs::path& path) {
  std::error_code error;
  const fs::path relative = fs::proximate(path, error);
  return error || *relative.begin() == ".." ? path : relative;
}

}  // namespace

void add_execute_options(CLI::App& app, ExecuteArguments& arguments) {
  app.add_option("--results", arguments.results, "folder that the run's record goes into");
  app.add_option("-j,--jobs", arguments.jobs, "attempts at once")->check(CLI::Range(1u, 256u));
  app.add_option("--retries", arguments.retries,
                 "how often an attempt that the rig itself failed (the guest did not come up, QEMU "
                 "died) is made again; 1 unless told, and 0 for a cell whose retries fail, too")
      ->check(CLI::Range(0u, 10u));
  app.add_option("--vm", arguments.backend,
                 "who runs the guests: qemu (our own), or libvirt: embed, qemu:///system, "
                 "qemu+ssh://HOST/system ... (docs/LIBVIRT.md)");
  app.add_option("--accel", arguments.accelerator,
                 "auto (KVM where it is proven to work, else TCG), kvm or tcg")
      ->check(CLI::IsMember({"auto", "kvm", "tcg"}));
  app.add_option("--format", arguments.format,
                 "of cores: kdump-zlib, kdump-lzo, kdump-snappy (where QEMU has them) or elf");
  app.add_flag("--keep-core", arguments.keep_core,
               "keep every core, not only those of unexpected outcomes");
  app.add_flag("--refresh", arguments.refresh,
               "ask the archive anew for the newest kernel (apt-get update, as root)");
  app.add_flag("--json", arguments.json, "print the record as one JSON document");
}

Result<std::vector<scenario::Cell>> select_cells(const Layout& layout,
                                                 const std::vector<std::string>& names,
                                                 const scenario::Selection& selection) {
  scenario::LoadOptions options;
  options.root = layout.root;
  options.programs = layout.stress_programs();
  options.report_kinds = oops::known_kinds();
  options.stop_names = oops::stop_names();
  options.any_function = oops::kAnyFunction;
  options.corruption_kinds = analyzer::corruption_kinds();
  std::vector<scenario::Cell> cells;
  for (const std::string& name : names) {
    RIG_ASSIGN(const auto files, scenario_files(layout, name));
    for (const fs::path& file : files) {
      RIG_ASSIGN(auto loaded, scenario::load_scenario(file, options));
      RIG_ASSIGN(
          auto planned,
          scenario::plan(std::make_shared<const scenario::Scenario>(std::move(loaded)), selection));
      for (const scenario::Cell& cell : planned) {
        RIG_TRY(scenario::load_kernel_spec(cell.kernel, layout.root / "kernels"));
      }
      std::move(planned.begin(), planned.end(), std::back_inserter(cells));
    }
  }
  return cells;
}

Result<Executed> execute(const Layout& layout, const std::vector<scenario::Cell>& cells,
                         const ExecuteArguments& arguments, const Context& context) {
  PipelineOptions options;
  options.layout = layout;
  options.results =
      arguments.results.empty() ? layout.root / "results" : fs::path(arguments.results);
  RIG_TRY(check_writable(options.results));
  options.backend = arguments.backend;
  options.accelerator = arguments.accelerator;
  RIG_ASSIGN(options.format, parse_format(arguments.format));
  options.refresh = arguments.refresh;
  options.keep_core = arguments.keep_core;
  options.jobs = arguments.jobs;
  options.retries = arguments.retries;
  options.stop = context.stop;
  publish::LiveView view(std::cerr, {.terminal = draws(stderr), .colour = colours(stderr)});
  RIG_ASSIGN(store::RunRecord record, run_cells(cells, options, view));
  const fs::path folder = as_seen_from_here(options.results / record.run);
  return Executed{std::move(record), folder};
}

Result<int> report(const Executed& executed, bool json) {
  const publish::TextOptions options{.folder = executed.folder, .colour = colours(stdout)};
  RIG_TRY(print_out(json ? publish::run_json(executed.record, executed.folder) + "\n"
                         : publish::run_text(executed.record, options)));
  int exit = kAsExpected;
  for (const auto& cell : executed.record.cells) {
    if (cell.verdict == verdict::Verdict::kError) return kRigFault;
    if (cell.verdict != verdict::Verdict::kPass) exit = kNotAsExpected;
  }
  return exit;
}

}  // namespace rig::commands
