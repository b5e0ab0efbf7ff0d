// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/file.h"
#include "scenario/plan.h"

namespace rig::scenario {
namespace {

// x86_64 and arm64; none on debian-6.1, kasan on its own kernel; faulty and fixed.
std::shared_ptr<Scenario> sample() {
  auto s = std::make_shared<Scenario>();
  s->name = "late";
  s->arch = {Arch::kX86_64, Arch::kArm64};
  s->kernel = "debian-6.1";
  s->cmdline = {"oops=panic", "slab_nomerge"};
  s->ignored_ok = {"slab_nomerge"};
  Expectation expect;
  expect.report.emplace();
  expect.report->kind = "null-deref";
  s->detectors = {{.name = "none", .kernel = {}, .cmdline = {}, .expect = expect},
                  {.name = "kasan",
                   .kernel = "debian-6.1-kasan",
                   .cmdline = {"oops=panic", "kasan.fault=panic"},
                   .ignored_ok = {"kasan.fault"},
                   .expect = expect}};
  s->variants = {{.name = "faulty", .module = {}, .params = {}, .survives = false},
                 {.name = "fixed", .module = {}, .params = {}, .survives = true}};
  s->repeat = 3;
  return s;
}

std::vector<std::string> names(const Selection& selection) {
  const auto cells = plan(sample(), selection);
  if (!cells) return {cells.error().message()};
  std::vector<std::string> all;
  for (const Cell& cell : *cells) all.push_back(cell.name());
  return all;
}

std::string error(const Selection& selection) {
  const auto cells = plan(sample(), selection);
  if (cells) return "no error";
  EXPECT_EQ(cells.error().blame, Blame::kInput);
  return cells.error().message();
}

using Names = std::vector<std::string>;

TEST(Plan, WithoutSelectionEveryCellIsThereOnce) {
  EXPECT_EQ(names({}),
            (Names{"late/x86_64/debian-6.1/none/faulty", "late/x86_64/debian-6.1/none/fixed",
                   "late/x86_64/debian-6.1-kasan/kasan/faulty",
                   "late/x86_64/debian-6.1-kasan/kasan/fixed", "late/arm64/debian-6.1/none/faulty",
                   "late/arm64/debian-6.1/none/fixed", "late/arm64/debian-6.1-kasan/kasan/faulty",
                   "late/arm64/debian-6.1-kasan/kasan/fixed"}));
}

TEST(Plan, SelectionNarrowsEveryAxisAndKeepsTheScenariosOrder) {
  EXPECT_EQ(names({.arch = {"x86_64"}, .detector = {"none"}, .variant = {"fixed", "faulty"}}),
            (Names{"late/x86_64/debian-6.1/none/faulty", "late/x86_64/debian-6.1/none/fixed"}));
}

TEST(Plan, NameSelectedTwiceRunsOnce) {
  EXPECT_EQ(names({.arch = {"arm64", "arm64"},
                   .kernel = {"debian-6.1", "debian-6.1"},
                   .detector = {"none", "none"},
                   .variant = {"fixed", "fixed"}}),
            Names{"late/arm64/debian-6.1/none/fixed"});
}

TEST(Plan, UnknownNamesAreRefusedWithTheNearest) {
  EXPECT_EQ(error({.arch = {"arm46"}}),
            "scenario 'late' has no arch 'arm46', did you mean 'arm64'?");
  EXPECT_EQ(error({.detector = {"kasn"}}),
            "scenario 'late' has no detector 'kasn', did you mean 'kasan'?");
  EXPECT_EQ(error({.variant = {"broken"}}),
            "scenario 'late' has no variant 'broken'; valid: faulty, fixed");
}

TEST(Plan, ADetectorsArgumentsOfTheLoadFollowTheScenarios) {
  const auto scenario = sample();
  Cell cell;
  cell.scenario = scenario;
  EXPECT_TRUE(cell.load_arguments().empty());
  scenario->stress.emplace();
  scenario->stress->args = {"--small"};
  EXPECT_EQ(cell.load_arguments(), (Names{"--seconds", "20", "--small"}));
  cell.detector.args = {"--disk-only"};
  EXPECT_EQ(cell.load_arguments(), (Names{"--seconds", "20", "--small", "--disk-only"}));
  cell.variant.args = {"--write"};
  EXPECT_EQ(cell.load_arguments(), (Names{"--seconds", "20", "--small", "--disk-only", "--write"}));
}

TEST(Plan, AVariantsOwnSignatureCountsWithEveryDetector) {
  const auto scenario = sample();
  Expectation own;
  own.report.emplace();
  own.report->kind = "warning";
  scenario->variants[0].expect = own;
  Expectation survive;
  survive.survive = true;
  scenario->variants[0].expect_on["arm64"] = survive;
  const auto cells = plan(scenario, {.variant = {"faulty"}});
  ASSERT_TRUE(cells) << cells.error().message();
  ASSERT_EQ(cells->size(), 4u);
  for (const Cell& cell : *cells) {
    const Expectation expected = cell.expectation();
    EXPECT_EQ(expected.survive, cell.arch == Arch::kArm64) << cell.name();
    EXPECT_EQ(expected.report.has_value(), cell.arch == Arch::kX86_64) << cell.name();
  }
}

// What is a crash on one kernel is a report of KASAN on another.
TEST(Plan, DetectorRunsOnAKernelThatItHasAnExpectationFor) {
  const auto scenario = sample();
  Expectation expect;
  expect.report.emplace();
  expect.report->kind = "kasan-use-after-free";
  scenario->detectors[0].expect_on["debian-6.1-kasan"] = expect;
  const auto cells = plan(scenario, {.arch = {"arm64"},
                                     .kernel = {"debian-6.1@6.1.0-47", "debian-6.1-kasan"},
                                     .detector = {"none"}});
  ASSERT_TRUE(cells) << cells.error().message();
  ASSERT_EQ(cells->size(), 4u);
  EXPECT_EQ(cells->at(0).expectation().report->kind, "null-deref");
  EXPECT_TRUE(cells->at(1).expectation().survive);
  EXPECT_EQ(cells->at(2).name(), "late/arm64/debian-6.1-kasan/none/faulty");
  EXPECT_EQ(cells->at(2).expectation().report->kind, "kasan-use-after-free");
  EXPECT_TRUE(cells->at(3).expectation().survive);
}

// kmalloc-32 here is kmalloc-128 there; a kernel with KASAN reports before it matters.
TEST(Plan, ExpectationOfAnArchitectureCountsWhereTheKernelHasNone) {
  const auto scenario = sample();
  Expectation arm = scenario->detectors[0].expect;
  arm.report->cache = "kmalloc-128";
  scenario->detectors[0].expect_on["arm64"] = arm;
  Expectation kasan = scenario->detectors[0].expect;
  kasan.report->kind = "kasan-use-after-free";
  scenario->detectors[0].expect_on["debian-6.1-kasan"] = kasan;
  const auto cells = plan(
      scenario,
      {.kernel = {"debian-6.1", "debian-6.1-kasan"}, .detector = {"none"}, .variant = {"faulty"}});
  ASSERT_TRUE(cells) << cells.error().message();
  ASSERT_EQ(cells->size(), 4u);
  EXPECT_EQ(cells->at(0).expectation().report->cache, std::nullopt);
  EXPECT_EQ(cells->at(1).expectation().report->kind, "kasan-use-after-free");
  EXPECT_EQ(cells->at(2).name(), "late/arm64/debian-6.1/none/faulty");
  EXPECT_EQ(cells->at(2).expectation().report->cache, "kmalloc-128");
  EXPECT_EQ(cells->at(3).expectation().report->kind, "kasan-use-after-free");
}

TEST(Plan, DetectorOfOneArchitectureRunsOnNoOther) {
  const auto scenario = sample();
  scenario->detectors[0].arch = {Arch::kX86_64};
  const auto cells = plan(scenario, {.detector = {"none"}, .variant = {"faulty"}});
  ASSERT_TRUE(cells) << cells.error().message();
  ASSERT_EQ(cells->size(), 1u);
  EXPECT_EQ(cells->at(0).name(), "late/x86_64/debian-6.1/none/faulty");
}

TEST(Plan, SelectedKernelReplacesTheScenarios) {
  EXPECT_EQ(names({.arch = {"x86_64"}, .kernel = {"debian-6.6"}, .variant = {"fixed"}}),
            Names{"late/x86_64/debian-6.6/none/fixed"});
}

TEST(Plan, SeveralBuildsOfOneKernelRunSideBySide) {
  EXPECT_EQ(names({.arch = {"x86_64"},
                   .kernel = {"debian-6.1@6.1.0-47", "debian-6.1@6.1.0-50"},
                   .variant = {"faulty"}}),
            (Names{"late/x86_64/debian-6.1@6.1.0-47/none/faulty",
                   "late/x86_64/debian-6.1@6.1.0-50/none/faulty"}));
}

TEST(Plan, DetectorThatNamesItsKernelRunsOnItsBuildsOnly) {
  EXPECT_EQ(
      names({.arch = {"x86_64"}, .kernel = {"debian-6.1-kasan@6.1.0-47"}, .variant = {"faulty"}}),
      Names{"late/x86_64/debian-6.1-kasan@6.1.0-47/kasan/faulty"});
  EXPECT_NE(
      error({.kernel = {"debian-6.6"}, .detector = {"kasan"}}).find("runs on kernel 'debian-6.6'"),
      std::string::npos);
}

// A kernel description in a folder of its own.
class PlanWithFile : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = TempDir::create("plan@test");
    ASSERT_TRUE(folder);
    folder_.emplace(*std::move(folder));
    fs::create_directory(folder_->path() / "debian-6.1");
    for (const char* name : {"mine.yaml", "debian-6.1/mine.yaml", "debian-6.1-kasan.yaml"}) {
      ASSERT_TRUE(write_file_atomically(path(name), "provider: debian\n"));
    }
  }
  fs::path path(const char* name) const { return folder_->path() / name; }

  std::optional<TempDir> folder_;
};

TEST_F(PlanWithFile, PathOfTheCommandLineBecomesAbsoluteAndTheCellHasItsName) {
  const fs::path relative = fs::relative(path("mine.yaml"));
  const auto cells =
      plan(sample(), {.kernel = {"./" + relative.string() + "@6.1.0-47"}, .variant = {"fixed"}});
  ASSERT_TRUE(cells) << cells.error().message();
  EXPECT_EQ(cells->front().kernel, path("mine.yaml").string() + "@6.1.0-47");
  EXPECT_EQ(cells->front().name(), "late/x86_64/mine@6.1.0-47/none/fixed");
}

TEST_F(PlanWithFile, FileNamedLikeADetectorsKernelRunsOnThatDetector) {
  EXPECT_EQ(names({.arch = {"x86_64"},
                   .kernel = {path("debian-6.1-kasan.yaml").string()},
                   .variant = {"fixed"}}),
            Names{"late/x86_64/debian-6.1-kasan/kasan/fixed"});
}

TEST_F(PlanWithFile, TwoKernelsOfOneNameAreRefused) {
  const std::string found =
      error({.kernel = {path("mine.yaml").string(), path("debian-6.1/mine.yaml").string()}});
  EXPECT_NE(found.find("are both called 'mine'"), std::string::npos) << found;
}

TEST_F(PlanWithFile, PathThatLeadsNowhereIsRefused) {
  EXPECT_EQ(error({.kernel = {"/nonexistent/k.yaml"}}),
            "no kernel description '/nonexistent/k.yaml'");
}

TEST(Plan, RepeatOfTheSelectionWins) {
  const auto by_scenario = plan(sample(), {});
  ASSERT_TRUE(by_scenario);
  EXPECT_EQ(by_scenario->front().repeat, 3u);
  const auto by_user = plan(sample(), {.repeat = 7});
  ASSERT_TRUE(by_user);
  EXPECT_EQ(by_user->front().repeat, 7u);
  EXPECT_EQ(error({.repeat = 0}), "repeat must be at least 1");
}

TEST(Cell, CommandLineIsTheScenariosThenTheDetectorsWithRepetitionsKept) {
  const auto cells = plan(sample(), {.detector = {"kasan"}});
  ASSERT_TRUE(cells);
  EXPECT_EQ(cells->front().ignored_ok(), (std::vector<std::string>{"slab_nomerge", "kasan.fault"}));
  EXPECT_EQ(cells->front().cmdline(),
            (Names{"oops=panic", "slab_nomerge", "oops=panic", "kasan.fault=panic"}));
}

TEST(Cell, DetectorsStopsReplaceTheScenarios) {
  Scenario scenario;
  scenario.stop_at = {"report"};
  Cell cell;
  cell.scenario = std::make_shared<Scenario>(scenario);
  EXPECT_EQ(cell.stop_at(), std::vector<std::string>{"report"});
  cell.detector.stop_at = {"slab_bug"};
  EXPECT_EQ(cell.stop_at(), std::vector<std::string>{"slab_bug"});
}

TEST(Cell, ModuleAndStressAreCalledAsInTheGuest) {
  Variant variant;
  variant.params = {{"late_write", "1"}, {"late_ms", "20"}};
  EXPECT_EQ(variant.param_text(), "late_ms=20 late_write=1");
  EXPECT_EQ(Variant{}.param_text(), "");
  const Stress stress{
      .programs = {}, .args = {"--disk", "/dev/vda"}, .duration = std::chrono::seconds(8)};
  EXPECT_EQ(stress.arguments(), (Names{"--seconds", "8", "--disk", "/dev/vda"}));
}

TEST(Cell, SurvivingVariantExpectsNoCrash) {
  const auto cells = plan(sample(), {.detector = {"none"}});
  ASSERT_TRUE(cells);
  EXPECT_FALSE(cells->at(0).expectation().survive);
  EXPECT_TRUE(cells->at(0).expectation().report);
  EXPECT_TRUE(cells->at(1).expectation().survive);
  EXPECT_FALSE(cells->at(1).expectation().report);
}

}  // namespace
}  // namespace rig::scenario
