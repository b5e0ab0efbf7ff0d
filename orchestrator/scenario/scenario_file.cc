// SPDX-License-Identifier: Apache-2.0
// load_scenario(): reads what scenario/format.h describes, strictly.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "scenario/capture_reader.h"
#include "scenario/cmdline_reader.h"
#include "scenario/guest_reader.h"
#include "scenario/kernel_file.h"
#include "scenario/module_reader.h"
#include "scenario/path_bases.h"
#include "scenario/program_file.h"
#include "scenario/scenario.h"
#include "scenario/schema_reader.h"
#include "scenario/section_reader.h"
#include "scenario/signature_reader.h"
#include "scenario/stop_at_reader.h"
#include "scenario/units.h"

namespace rig::scenario {

namespace {

constexpr std::chrono::seconds kAfterStress{20};

class ScenarioReader {
 public:
  ScenarioReader(const fs::path& file, const LoadOptions& options, Problems& problems)
      : options_(options),
        bases_{options.root, file.parent_path()},
        kernels_(options.kernels.empty() ? options.root / "kernels" : options.kernels),
        problems_(problems) {}

  Scenario read(const Node& root);

 private:
  void read_head(SectionReader<format::kScenario>& map);
  std::vector<Arch> read_archs(const Node& node);
  std::vector<Arch> read_detector_archs(const Node& node);
  void read_detectors(const Node* node);
  void read_variants(const Node& node);
  Variant read_variant(const Field& entry);
  void read_variant_expectation(const Node& node, Variant& variant);
  ReadExpectation read_signature(const Node& node, const std::string& whose, bool may_survive);
  void read_params(const Node& node, Variant& variant);
  void read_stress(const Node& node);
  void read_program(const Node& node, Stress& stress);
  void read_program_of(const Node& node, std::span<const Arch> archs, Stress& stress);
  void read_timeouts(const Node* node);
  void read_expectations(const Node* node, Mark place);
  void check_variants(const Node& node);

  std::string read_kernel(const Node& node);
  std::vector<std::string> every_parameter() const;
  std::vector<std::string> read_words(const Node& node, std::string_view what,
                                      std::string_view example);

  const LoadOptions& options_;
  const PathBases bases_;
  const fs::path kernels_;
  Problems& problems_;
  Scenario scenario_;
};

Scenario ScenarioReader::read(const Node& root) {
  SectionReader<format::kScenario> map(root, "the scenario", problems_);
  read_head(map);
  if (const Node* node = map.require("arch")) scenario_.arch = read_archs(*node);
  if (const Node* node = map.require("kernel")) scenario_.kernel = read_kernel(*node);
  if (const Node* node = map.find("boot")) scenario_.boot = read_boot(*node, problems_);
  if (const Node* node = map.find("guest")) {
    scenario_.guest = read_guest(*node, bases_, problems_);
  }
  if (const Node* node = map.find("cmdline")) scenario_.cmdline = read_cmdline(*node, problems_);
  if (const Node* node = map.find("stop_at")) {
    scenario_.stop_at = read_stop_at(*node, options_, problems_);
  }
  if (const Node* node = map.find("capture")) scenario_.capture = read_capture(*node, problems_);
  if (const Node* node = map.find("dump_level")) {
    scenario_.dump_level = read_dump_level(*node, problems_);
  }
  read_detectors(map.find("detectors"));
  if (const Node* node = map.find("ignored_ok")) {
    scenario_.ignored_ok = read_ignored_ok(*node, every_parameter(), problems_);
  }
  const Node* variants = map.require("variants");
  if (variants != nullptr) read_variants(*variants);
  if (const Node* node = map.find("stress")) read_stress(*node);
  if (const Node* node = map.find("repeat")) {
    scenario_.repeat =
        static_cast<unsigned>(read_number(*node, "'repeat'", problems_, 1, 10'000).value_or(1));
  }
  read_timeouts(map.find("timeouts"));
  read_expectations(map.find("expect"), root.mark);
  if (variants != nullptr) check_variants(*variants);
  map.finish();
  return std::move(scenario_);
}

void ScenarioReader::read_head(SectionReader<format::kScenario>& map) {
  if (const Node* node = map.require("name")) {
    scenario_.name = read_name(*node, "'name'", problems_).value_or("");
  }
  if (const Node* node = map.require("summary")) {
    scenario_.summary = read_text(*node, "'summary'", problems_).value_or("");
  }
  if (const Node* node = map.find("origin")) {
    scenario_.origin = read_text(*node, "'origin'", problems_).value_or("");
  }
}

std::vector<Arch> ScenarioReader::read_archs(const Node& node) {
  std::vector<Arch> all;
  static const std::array<std::string, 2> kArchs = {"x86_64", "arm64"};
  const auto items = read_list(node, "'arch'", "[x86_64]", problems_);
  if (node.kind == Node::Kind::kList && items.empty()) {
    problems_.add(node.mark, "'arch' is empty: there would be nothing to run");
  }
  for (const Node& item : items) {
    if (item.text == "amd64" || item.text == "aarch64") {
      problems_.add(item.mark, fmt::format("arch '{}' is called '{}' here", item.text,
                                           item.text == "amd64" ? "x86_64" : "arm64"));
      continue;
    }
    const auto name = read_choice(item, "arch", kArchs, problems_);
    const auto arch = name ? parse_arch(*name) : std::nullopt;
    if (!arch) continue;
    if (std::find(all.begin(), all.end(), *arch) != all.end()) {
      problems_.add(item.mark, fmt::format("arch '{}' is given twice", *name));
    } else {
      all.push_back(*arch);
    }
  }
  return all;
}

// The scenario's are read by then. A detector that is left with none would silently never run.
std::vector<Arch> ScenarioReader::read_detector_archs(const Node& node) {
  std::vector<Arch> all = read_archs(node);
  for (const Arch arch : all) {
    const auto& known = scenario_.arch;
    if (known.empty() || std::find(known.begin(), known.end(), arch) != known.end()) continue;
    problems_.add(node.mark,
                  fmt::format("arch '{}' is none of the scenario's 'arch'", to_string(arch)));
  }
  return all;
}

std::string ScenarioReader::read_kernel(const Node& node) {
  const auto written = read_kernel_reference(node, problems_);
  if (!written) return {};
  const auto name = absolute_kernel(*written, {bases_.root, bases_.folder});
  const Status status = name ? check_kernel_name(*name, kernels_) : tl::unexpected(name.error());
  if (!status) problems_.add(node.mark, status.error().message());
  return name.value_or(*written);
}

std::vector<std::string> ScenarioReader::read_words(const Node& node, std::string_view what,
                                                    std::string_view example) {
  std::vector<std::string> words;
  for (const Node& item : read_list(node, what, example, problems_)) {
    if (auto word = read_text(item, fmt::format("an item of {}", what), problems_)) {
      words.push_back(std::move(*word));
    }
  }
  return words;
}

// The scenario's and all detectors'.
std::vector<std::string> ScenarioReader::every_parameter() const {
  std::vector<std::string> all = scenario_.cmdline;
  for (const Detector& detector : scenario_.detectors) {
    all.insert(all.end(), detector.cmdline.begin(), detector.cmdline.end());
  }
  return all;
}

void ScenarioReader::read_detectors(const Node* node) {
  if (node == nullptr) {
    scenario_.detectors.push_back(
        {.name = "none", .kernel = {}, .cmdline = {}, .stop_at = {}, .expect = {}});
    return;
  }
  for (const Field& entry : read_named(*node, "'detectors'", problems_)) {
    Node key;
    key.kind = Node::Kind::kScalar;
    key.mark = entry.mark;
    key.text = entry.key;
    Detector detector;
    detector.name = read_name(key, "detector", problems_).value_or(entry.key);
    SectionReader<format::kDetector> map(entry.value, fmt::format("detector {}", shown(entry.key)),
                                         problems_);
    if (const Node* cmdline = map.find("cmdline"))
      detector.cmdline = read_cmdline(*cmdline, problems_);
    if (const Node* ignored = map.find("ignored_ok")) {
      std::vector<std::string> parameters = scenario_.cmdline;
      parameters.insert(parameters.end(), detector.cmdline.begin(), detector.cmdline.end());
      detector.ignored_ok = read_ignored_ok(*ignored, parameters, problems_);
    }
    if (const Node* arch = map.find("arch")) detector.arch = read_detector_archs(*arch);
    if (const Node* kernel = map.find("kernel")) detector.kernel = read_kernel(*kernel);
    if (const Node* boot = map.find("boot")) detector.boot = read_boot(*boot, problems_);
    if (const Node* stop_at = map.find("stop_at")) {
      detector.stop_at = read_stop_at(*stop_at, options_, problems_);
    }
    if (const Node* capture = map.find("capture")) {
      detector.capture = read_capture(*capture, problems_);
    }
    if (const Node* level = map.find("dump_level")) {
      detector.dump_level = read_dump_level(*level, problems_);
    }
    if (const Node* args = map.find("args")) {
      detector.args = read_words(*args, "'args'", "[--disk-only]");
    }
    map.finish();
    scenario_.detectors.push_back(std::move(detector));
  }
}

void ScenarioReader::read_variants(const Node& node) {
  for (const Field& entry : read_named(node, "'variants'", problems_)) {
    scenario_.variants.push_back(read_variant(entry));
  }
}

Variant ScenarioReader::read_variant(const Field& entry) {
  Node key;
  key.kind = Node::Kind::kScalar;
  key.mark = entry.mark;
  key.text = entry.key;
  Variant variant;
  variant.name = read_name(key, "variant", problems_).value_or(entry.key);
  SectionReader<format::kVariant> map(entry.value, fmt::format("variant {}", shown(entry.key)),
                                      problems_);
  if (const Node* module = map.find("module")) {
    variant.module = read_module(*module, bases_, problems_);
  }
  if (const Node* params = map.find("params")) {
    read_params(*params, variant);
    if (map.find("module") == nullptr) {
      problems_.add(params->mark, "'params' are of a module, but there is no 'module'");
    }
  }
  if (const Node* load_at = map.find("load_at")) {
    static const std::array<std::string, 2> kWhen = {"boot", "start"};
    variant.in_boot = read_choice(*load_at, "'load_at'", kWhen, problems_) == "boot";
    if (map.find("module") == nullptr) {
      problems_.add(load_at->mark, "'load_at' is of a module, but there is no 'module'");
    }
  }
  if (const Node* args = map.find("args")) variant.args = read_words(*args, "'args'", "[--fast]");
  if (const Node* expect = map.find("expect")) read_variant_expectation(*expect, variant);
  map.finish();
  return variant;
}

// "survive", or a signature that counts with every detector instead of the detector's.
void ScenarioReader::read_variant_expectation(const Node& node, Variant& variant) {
  auto read = read_signature(node, fmt::format("variant {}", shown(variant.name)), true);
  variant.survives = read.expect.survive;
  read.expect.survive = false;
  variant.expect = std::move(read.expect);
  variant.expect_on = std::move(read.on);
}

ReadExpectation ScenarioReader::read_signature(const Node& node, const std::string& whose,
                                               bool may_survive) {
  const std::vector<std::string> kernels = kernel_names(kernels_);
  return read_expectation(node, {options_.report_kinds, kernels, options_.corruption_kinds}, whose,
                          problems_, may_survive);
}

void ScenarioReader::read_params(const Node& node, Variant& variant) {
  if (node.kind == Node::Kind::kMap && node.entries.empty()) return;
  for (const Field& entry : read_named(node, "'params'", problems_)) {
    auto value = read_text(entry.value, shown(entry.key), problems_);
    if (!is_name(entry.key)) {
      problems_.add(entry.mark, fmt::format("{} is no name of a parameter", shown(entry.key)));
    }
    if (!value) continue;
    if (value->find_first_of(" \t\n\"") != std::string::npos) {
      problems_.add(entry.value.mark, fmt::format("a module parameter's value has no blanks and no "
                                                  "quotes, found {}",
                                                  shown(*value)));
    }
    variant.params.emplace(entry.key, std::move(*value));
  }
}

// One program for all architectures, or a map with one for each.
void ScenarioReader::read_program(const Node& node, Stress& stress) {
  if (node.kind != Node::Kind::kMap) return read_program_of(node, scenario_.arch, stress);
  SectionReader<format::kProgram> map(node, "'program'", problems_);
  const std::pair<Arch, const Node*> given[] = {{Arch::kX86_64, map.find("x86_64")},
                                                {Arch::kArm64, map.find("arm64")}};
  map.finish();
  for (const auto& [arch, program] : given) {
    const auto& archs = scenario_.arch;
    const bool wanted = std::find(archs.begin(), archs.end(), arch) != archs.end();
    if (program != nullptr) {
      read_program_of(*program, std::span(&arch, 1), stress);
    } else if (wanted) {
      problems_.add(node.mark, fmt::format("'program' has none for {}, which the scenario runs on",
                                           to_string(arch)));
    }
  }
}

void ScenarioReader::read_program_of(const Node& node, std::span<const Arch> archs,
                                     Stress& stress) {
  const auto text = read_text(node, "'program'", problems_);
  if (!text) return;
  const auto path = find_program_file(*text, archs, bases_, options_.programs);
  if (!path) problems_.add(node.mark, path.error().message());
  for (const Arch arch : archs) stress.programs[arch] = path.value_or(fs::path());
}

void ScenarioReader::read_stress(const Node& node) {
  Stress stress;
  SectionReader<format::kStress> map(node, "'stress'", problems_);
  if (const Node* program = map.require("program")) read_program(*program, stress);
  if (const Node* args = map.find("args")) stress.args = read_words(*args, "'args'", "[--fast]");
  if (const Node* seconds = map.find("seconds")) {
    const auto count = read_number(*seconds, "'seconds'", problems_, 1, 86'400);
    if (count) stress.duration = std::chrono::seconds(static_cast<std::int64_t>(*count));
  }
  map.finish();
  scenario_.stress = std::move(stress);
}

void ScenarioReader::read_timeouts(const Node* node) {
  const auto load = scenario_.stress ? scenario_.stress->duration : std::chrono::seconds(0);
  Timeouts& timeouts = scenario_.timeouts;
  timeouts.crash = std::max<std::chrono::milliseconds>(timeouts.crash, load + kAfterStress);
  if (node == nullptr) return;
  SectionReader<format::kTimeouts> map(*node, "'timeouts'", problems_);
  if (const Node* boot = map.find("boot")) {
    timeouts.boot = read_duration(*boot, "'boot'", problems_).value_or(timeouts.boot);
  }
  if (const Node* crash = map.find("crash")) {
    timeouts.crash = read_duration(*crash, "'crash'", problems_).value_or(timeouts.crash);
    if (timeouts.crash <= load) {
      problems_.add(crash->mark, fmt::format("'crash' ({}) must be longer than the stress ({}s), "
                                             "or no variant could survive it",
                                             crash->text, load.count()));
    }
  }
  if (const Node* silence = map.find("silence")) {
    timeouts.silence = read_duration(*silence, "'silence'", problems_).value_or(timeouts.silence);
  }
  if (const Node* no_work = map.find("no_work")) {
    timeouts.no_work = read_duration(*no_work, "'no_work'", problems_).value_or(timeouts.no_work);
  }
  map.finish();
}

void ScenarioReader::read_expectations(const Node* node, Mark place) {
  std::vector<std::string> names;
  for (const Detector& detector : scenario_.detectors) names.push_back(detector.name);
  const bool crashes =
      std::any_of(scenario_.variants.begin(), scenario_.variants.end(),
                  [](const Variant& variant) { return !variant.has_expectation(); });
  if (node == nullptr) {
    if (crashes) problems_.add(place, "the scenario has no 'expect', but a variant must crash");
    return;
  }
  std::vector<std::string> expected;
  for (const Field& entry : read_named(*node, "'expect'", problems_)) {
    const auto at = std::find(names.begin(), names.end(), entry.key);
    auto read = read_signature(entry.value, fmt::format("detector '{}'", entry.key), false);
    if (at == names.end()) {
      if (names.empty()) continue;  // told already
      problems_.add(entry.mark, fmt::format("unknown detector {} in 'expect'{}", shown(entry.key),
                                            suggest(entry.key, names)));
      continue;
    }
    Detector& detector = scenario_.detectors[static_cast<std::size_t>(at - names.begin())];
    detector.expect = std::move(read.expect);
    detector.expect_on = std::move(read.on);
    expected.push_back(entry.key);
  }
  for (const std::string& name : names) {
    if (!crashes || std::find(expected.begin(), expected.end(), name) != expected.end()) continue;
    problems_.add(node->mark, fmt::format("'expect' has no entry for detector '{}'", name));
  }
}

// Something must be injected, or there is no experiment.
void ScenarioReader::check_variants(const Node& node) {
  if (scenario_.stress) return;
  for (const Field& entry : node.entries) {
    const auto& fields = entry.value.entries;
    const bool has_module = std::any_of(fields.begin(), fields.end(),
                                        [](const Field& each) { return each.key == "module"; });
    if (has_module) continue;
    problems_.add(entry.mark, fmt::format("variant {} injects nothing: give it a 'module', or the "
                                          "scenario a 'stress'",
                                          shown(entry.key)));
  }
}

}  // namespace

Result<Scenario> load_scenario(const fs::path& file, const LoadOptions& options) {
  std::error_code error;
  if (fs::is_directory(file, error)) {
    return fail(Blame::kInput, "{} is a folder, not a scenario", file.string());
  }
  RIG_ASSIGN(const std::string text, read_file(file, kMaxYamlBytes));
  RIG_ASSIGN(const Node root, parse_yaml(text, file.string()));
  Problems problems(file.string());
  Scenario scenario = ScenarioReader(file, options, problems).read(root);
  RIG_TRY(problems.status());
  scenario.file = fs::absolute(file, error).lexically_normal();
  scenario.text = text;
  return scenario;
}

}  // namespace rig::scenario
