// SPDX-License-Identifier: Apache-2.0
// The scenarios and kernels that come with the repository are valid.
#include <gtest/gtest.h>

#include <algorithm>

#include "scenario/kernel_spec.h"
#include "scenario/plan.h"

namespace rig::scenario {
namespace {

const fs::path kRepository = fs::path(RIG_TEST_DATA).parent_path().parent_path();

TEST(OwnFiles, EveryScenarioLoadsAndHasCells) {
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kRepository / "scenarios")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto scenario = load_scenario(entry.path(), {.root = kRepository});
    ASSERT_TRUE(scenario) << scenario.error().message();
    EXPECT_EQ(scenario->name, entry.path().stem().string());
    const auto cells = plan(std::make_shared<Scenario>(*scenario), {});
    ASSERT_TRUE(cells) << cells.error().message();
    EXPECT_FALSE(cells->empty());
    ++count;
  }
  EXPECT_GE(count, 1u);
}

TEST(OwnFiles, EveryKernelLoads) {
  const auto names = kernel_names(kRepository / "kernels");
  EXPECT_FALSE(names.empty());
  for (const std::string& name : names) {
    const auto spec = load_kernel_spec(name, kRepository / "kernels");
    EXPECT_TRUE(spec) << spec.error().message();
  }
}

// Loads every ```yaml block of a document that is a whole scenario (has a name); how many there
// are.
std::size_t load_examples(const fs::path& document) {
  const auto manual = read_file(document);
  const auto folder = TempDir::create("manual-test");
  EXPECT_TRUE(manual && folder);
  if (!manual || !folder) return 0;
  std::size_t count = 0;
  constexpr std::string_view kOpen = "```yaml\n";
  for (auto at = manual->find(kOpen); at != std::string::npos; at = manual->find(kOpen, at)) {
    at += kOpen.size();
    std::string block = manual->substr(at, manual->find("```", at) - at);
    if (!block.starts_with("name:")) continue;
    // The reader's module is not there yet.
    constexpr std::string_view kTheirs = "guest/modules/my_crash";
    for (auto m = block.find(kTheirs); m != std::string::npos; m = block.find(kTheirs, m)) {
      block.replace(m, kTheirs.size(), "guest/modules/late_completion");
    }
    const fs::path file = folder->path() / "example.yaml";
    EXPECT_TRUE(write_file_atomically(file, block));
    const auto scenario = load_scenario(file, {.root = kRepository});
    EXPECT_TRUE(scenario) << document << ": " << scenario.error().message();
    ++count;
  }
  return count;
}

TEST(OwnFiles, ExamplesOfTheManualLoad) {
  EXPECT_GE(load_examples(kRepository / "docs/SCENARIOS.md"), 1u);
}

TEST(OwnFiles, ExampleOfTheReadmeLoads) {
  EXPECT_EQ(load_examples(kRepository / "README.md"), 1u);
}

TEST(OwnFiles, LateCompletionIsTheCrashOfTheReport) {
  const auto s =
      load_scenario(kRepository / "scenarios/late-completion.yaml", {.root = kRepository});
  ASSERT_TRUE(s) << s.error().message();
  const Expectation& expect = s->detectors.at(0).expect;
  EXPECT_EQ(expect.report->address, 0x106u);
  EXPECT_EQ(expect.object->offset, 0x2c8u);
  EXPECT_EQ(s->variants.at(0).params.at("late_write"), "1");
  EXPECT_EQ(s->variants.at(1).params.at("late_write"), "0");
}

}  // namespace
}  // namespace rig::scenario
