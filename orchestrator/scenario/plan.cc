// SPDX-License-Identifier: Apache-2.0
#include "scenario/plan.h"

#include <algorithm>

#include "base/text.h"
#include "scenario/kernel_spec.h"

namespace rig::scenario {

std::string Module::text() const {
  if (in_tree.empty()) return folder.string();
  std::string all = fmt::format("{} of the kernel's source", in_tree.string());
  for (const fs::path& patch : patches) {
    all += fmt::format("{}{}", &patch == &patches.front() ? ", with " : ", ", patch.string());
  }
  return all;
}

std::string Variant::param_text() const {
  std::string text;
  for (const auto& [key, value] : params) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", key, value);
  }
  return text;
}

std::vector<std::string> Stress::arguments() const {
  std::vector<std::string> all = {"--seconds", fmt::format("{}", duration.count())};
  all.insert(all.end(), args.begin(), args.end());
  return all;
}

std::string Cell::name() const {
  return fmt::format("{}/{}/{}/{}/{}", scenario->name, to_string(arch), kernel_name(),
                     detector.name, variant.name);
}

std::string Cell::kernel_name() const {
  return scenario::kernel_name(kernel);
}

std::vector<std::string> Cell::cmdline() const {
  std::vector<std::string> all = scenario->cmdline;
  all.insert(all.end(), detector.cmdline.begin(), detector.cmdline.end());
  return all;
}

std::vector<std::string> Cell::ignored_ok() const {
  std::vector<std::string> all = scenario->ignored_ok;
  all.insert(all.end(), detector.ignored_ok.begin(), detector.ignored_ok.end());
  return all;
}

std::vector<std::string> Cell::stop_at() const {
  return detector.stop_at.empty() ? scenario->stop_at : detector.stop_at;
}

std::vector<std::string> Cell::load_arguments() const {
  if (!scenario->stress) return {};
  std::vector<std::string> all = scenario->stress->arguments();
  all.insert(all.end(), detector.args.begin(), detector.args.end());
  all.insert(all.end(), variant.args.begin(), variant.args.end());
  return all;
}

namespace {

// "debian-6.1@6.1.0-47" is a build of "debian-6.1", and so is what another debian-6.1.yaml says.
std::string base_name(const std::string& kernel) {
  return kernel_name(parse_kernel_reference(kernel).name);
}

}  // namespace

std::optional<Entry> Cell::boot() const {
  return detector.boot ? detector.boot : scenario->boot;
}

Capture Cell::capture() const {
  if (detector.capture) return *detector.capture;
  return scenario->capture.value_or(Capture::kQmp);
}

unsigned Cell::dump_level() const {
  if (detector.dump_level) return *detector.dump_level;
  return scenario->dump_level.value_or(kMaxDumpLevel);
}

Expectation Cell::expectation() const {
  const bool own = variant.has_expectation();
  const auto& on = own ? variant.expect_on : detector.expect_on;
  auto special = on.find(base_name(kernel));
  if (special == on.end()) special = on.find(std::string(to_string(arch)));
  if (special != on.end()) return special->second;
  Expectation expectation = own ? variant.expect : detector.expect;
  expectation.survive = variant.survives;
  return expectation;
}

namespace {

bool contains(const std::vector<std::string>& all, std::string_view name) {
  return std::find(all.begin(), all.end(), name) != all.end();
}

void add_once(std::vector<std::string>& all, const std::string& name) {
  if (!contains(all, name)) all.push_back(name);
}

// Every selected name must be one that the scenario has.
Status check_selected(std::string_view what, const std::vector<std::string>& selected,
                      const std::vector<std::string>& valid, const Scenario& scenario) {
  for (const std::string& name : selected) {
    if (contains(valid, name)) continue;
    return fail(Blame::kInput, "scenario '{}' has no {} '{}'{}", scenario.name, what, name,
                suggest(name, valid));
  }
  return {};
}

const std::string& kernel_of(const Scenario& scenario, const Detector& detector) {
  return detector.kernel ? *detector.kernel : scenario.kernel;
}

// Does a detector run on a kernel that the user asked for? Always on another build of its own
// kernel. A detector that names its kernel needs it (KASAN is compiled in); the others take any
// kernel that is not such a detector's, and those that they say what to expect on.
bool runs_on(const Scenario& scenario, const Detector& detector, const std::string& kernel) {
  if (base_name(kernel) == base_name(kernel_of(scenario, detector))) return true;
  if (detector.kernel) return false;
  if (detector.expect_on.contains(base_name(kernel))) return true;
  return std::none_of(scenario.detectors.begin(), scenario.detectors.end(), [&](const Detector& d) {
    return d.kernel && base_name(*d.kernel) == base_name(kernel);
  });
}

bool runs_on_some(const Scenario& scenario, const Selection& selection, const std::string& kernel) {
  return std::any_of(scenario.detectors.begin(), scenario.detectors.end(), [&](const Detector& d) {
    return (selection.detector.empty() || contains(selection.detector, d.name)) &&
           runs_on(scenario, d, kernel);
  });
}

// Cells, folders and records know a kernel by its name alone.
Status check_names(const std::vector<std::string>& kernels) {
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (kernel_name(kernels[i]) != kernel_name(kernels[j])) continue;
      return fail_hint(Blame::kInput, "give one of the files another name",
                       "the kernels '{}' and '{}' are both called '{}'", kernels[j], kernels[i],
                       kernel_name(kernels[i]));
    }
  }
  return {};
}

// The kernels to run, in order, or an error for one on which none of the detectors can run.
Result<std::vector<std::string>> kernels_to_run(const Scenario& scenario,
                                                const Selection& selection) {
  std::vector<std::string> kernels;
  for (const std::string& selected : selection.kernel) {
    if (selected.empty()) return fail(Blame::kInput, "an empty name of a kernel");
    RIG_ASSIGN(const std::string kernel, absolute_kernel(selected, {""}));
    if (!runs_on_some(scenario, selection, kernel)) {
      return fail_hint(Blame::kInput, "a detector that names its kernel runs on no other",
                       "scenario '{}': no selected detector runs on kernel '{}'", scenario.name,
                       kernel);
    }
    add_once(kernels, kernel);
  }
  if (!selection.kernel.empty()) return kernels;
  for (const Detector& detector : scenario.detectors) {
    add_once(kernels, kernel_of(scenario, detector));
  }
  return kernels;
}

// What the command line says of the capture holds for every detector.
Detector with_capture(Detector detector, const Selection& selection) {
  if (selection.capture) detector.capture = selection.capture;
  if (selection.dump_level) detector.dump_level = selection.dump_level;
  return detector;
}

// A core that `stop_at` takes is the machine's: the guest's own kernel would have to crash for it.
Status check_captures(const std::vector<Cell>& cells) {
  for (const Cell& cell : cells) {
    if (cell.capture() == Capture::kQmp || cell.stop_at().empty()) continue;
    return fail_hint(Blame::kInput, "capture: qmp for this detector, or no stop_at",
                     "detector '{}' of scenario '{}' stops the guest before it crashes (stop_at): "
                     "kdump has no part in that core",
                     cell.detector.name, cell.scenario->name);
  }
  return {};
}

bool on_arch(const Detector& detector, Arch arch) {
  return detector.arch.empty() ||
         std::find(detector.arch.begin(), detector.arch.end(), arch) != detector.arch.end();
}

bool on_kernel(const Scenario& scenario, const Selection& selection, const Detector& detector,
               const std::string& kernel) {
  return selection.kernel.empty() ? kernel_of(scenario, detector) == kernel
                                  : runs_on(scenario, detector, kernel);
}

Status check_selection(const Scenario& scenario, const Selection& selection) {
  std::vector<std::string> archs, detectors, variants;
  for (const Arch arch : scenario.arch) archs.emplace_back(to_string(arch));
  for (const Detector& detector : scenario.detectors) detectors.push_back(detector.name);
  for (const Variant& variant : scenario.variants) variants.push_back(variant.name);
  RIG_TRY(check_selected("arch", selection.arch, archs, scenario));
  RIG_TRY(check_selected("detector", selection.detector, detectors, scenario));
  RIG_TRY(check_selected("variant", selection.variant, variants, scenario));
  if (selection.repeat == 0u) return fail(Blame::kInput, "repeat must be at least 1");
  return {};
}

}  // namespace

Result<std::vector<Cell>> plan(std::shared_ptr<const Scenario> scenario,
                               const Selection& selection) {
  RIG_TRY(check_selection(*scenario, selection));
  RIG_ASSIGN(const auto kernels, kernels_to_run(*scenario, selection));
  RIG_TRY(check_names(kernels));
  const auto is_selected = [](const std::vector<std::string>& names, std::string_view name) {
    return names.empty() || contains(names, name);
  };
  std::vector<Cell> cells;
  for (const Arch arch : scenario->arch) {
    if (!is_selected(selection.arch, to_string(arch))) continue;
    for (const std::string& kernel : kernels) {
      for (const Detector& detector : scenario->detectors) {
        if (!is_selected(selection.detector, detector.name)) continue;
        if (!on_arch(detector, arch)) continue;
        if (!on_kernel(*scenario, selection, detector, kernel)) continue;
        for (const Variant& variant : scenario->variants) {
          if (!is_selected(selection.variant, variant.name)) continue;
          cells.push_back({.scenario = scenario,
                           .arch = arch,
                           .kernel = kernel,
                           .detector = with_capture(detector, selection),
                           .variant = variant,
                           .repeat = selection.repeat.value_or(scenario->repeat)});
        }
      }
    }
  }
  RIG_TRY(check_captures(cells));
  return cells;
}

}  // namespace rig::scenario
