// SPDX-License-Identifier: Apache-2.0
// What a user gets for a wrong word: what is wrong, where, and the nearest right one. Exit code 2.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

TEST(BadInput, EveryBadScenarioNamesItsPlace) {
  Bench bench;
  int files = 0;
  for (const auto& entry : fs::directory_iterator(RIG_TEST_DATA "/bad-scenarios")) {
    if (entry.path().extension() != ".yaml") continue;
    SCOPED_TRACE(entry.path().filename().string());
    const auto ended = bench.crashrig({"run", entry.path().string(), "--dry-run"});
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_THAT(ended.err, ContainsRegex("\\.yaml:[0-9]+:[0-9]+: "));
    ++files;
  }
  EXPECT_GE(files, 20);
}

TEST(BadInput, UnknownNamesAreAnsweredWithTheNearest) {
  Bench bench;
  const auto scenario = bench.crashrig({"run", "late-completoin"});
  EXPECT_EQ(scenario.exit_code, 2);
  EXPECT_THAT(scenario.err, HasSubstr("late-completion"));
  const auto variant = bench.crashrig({"run", "late-completion", "--variant", "fautly"});
  EXPECT_EQ(variant.exit_code, 2);
  EXPECT_THAT(variant.err, HasSubstr("faulty"));
  const auto kernel = bench.crashrig({"run", "late-completion", "--kernel", "debian-6.2"});
  EXPECT_EQ(kernel.exit_code, 2);
  EXPECT_THAT(kernel.err, HasSubstr("debian-6.1"));
  EXPECT_EQ(bench.crashrig({"run"}).exit_code, 2);
  EXPECT_EQ(bench.crashrig({"frobnicate"}).exit_code, 2);
}

TEST(BadInput, FilesThatAreNoCoresAreNamedForWhatTheyAre) {
  Bench bench;
  const auto text = bench.crashrig({"analyze", RIG_ROOT "/README.md"});
  EXPECT_EQ(text.exit_code, 2);
  EXPECT_THAT(text.err, HasSubstr("README.md"));
  const auto program = bench.crashrig({"analyze", "/bin/sh"});
  EXPECT_EQ(program.exit_code, 2);
  EXPECT_EQ(bench.crashrig({"analyze", "/no/such/core"}).exit_code, 2);
}

TEST(BadInput, HelpIsThereForEveryVerb) {
  Bench bench;
  for (const char* verb : {"run", "demo", "analyze"}) {
    const auto ended = bench.crashrig({verb, "--help"});
    EXPECT_EQ(ended.exit_code, 0) << verb;
    EXPECT_THAT(ended.out, HasSubstr("Usage"));
  }
  EXPECT_EQ(bench.crashrig({"--version"}).exit_code, 0);
}

}  // namespace
}  // namespace rig::e2e
