// SPDX-License-Identifier: Apache-2.0
// The scenarios and kernels that come with the repository are valid.
#include <gtest/gtest.h>

#include <algorithm>

#include "scenario/kernel_spec.h"
#include "scenario/plan.h"

namespace rig::scenario {
namespace {

const fs::path kRepository = fs::path(RIG_TEST_DATA).parent_path().parent_path();

// The repository's kernels; those of the tests as long as it has none.
LoadOptions options() {
  const fs::path own = kRepository / "kernels";
  return {.root = kRepository,
          .kernels =
              kernel_names(own).empty() ? kRepository / "tests/data/scenario-root/kernels" : own};
}

TEST(OwnFiles, EveryScenarioLoadsAndHasCells) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(kRepository / "scenarios")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto scenario = load_scenario(entry.path(), options());
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
  for (const std::string& name : kernel_names(kRepository / "kernels")) {
    const auto spec = load_kernel_spec(name, kRepository / "kernels");
    EXPECT_TRUE(spec) << spec.error().message();
  }
}

TEST(OwnFiles, LateCompletionIsTheCrashOfTheReport) {
  const auto s = load_scenario(kRepository / "scenarios/late-completion.yaml", options());
  ASSERT_TRUE(s) << s.error().message();
  const Expectation& expect = s->detectors.at(0).expect;
  EXPECT_EQ(expect.report->address, 0x106u);
  EXPECT_EQ(expect.object->offset, 0x2c8u);
  EXPECT_EQ(s->variants.at(0).params.at("late_write"), "1");
  EXPECT_EQ(s->variants.at(1).params.at("late_write"), "0");
}

}  // namespace
}  // namespace rig::scenario
