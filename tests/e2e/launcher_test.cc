// SPDX-License-Identifier: Apache-2.0
// ./rig: all the set-up there is, and nothing to wait for when it is done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;

double seconds_of(const Command& command) {
  const Stopwatch watch;
  const auto done = run(command);
  EXPECT_TRUE(done && done->ok()) << (done ? done->err : done.error().what);
  return watch.seconds();
}

TEST(Launcher, AddsLessThanAThirdOfASecondWhenNothingChanged) {
  const fs::path program = RIG_PROGRAM;
  if (program.parent_path() != fs::path(RIG_ROOT) / "build") {
    GTEST_SKIP() << "./rig builds in build/, this is " << program.parent_path();
  }
  double added = 1;
  for (int i = 0; i < 3; ++i) {  // the quickest of three: the machine may be busy
    const double whole = seconds_of({RIG_ROOT "/rig", {"--version"}, {}, {}});
    added = std::min(added, whole - seconds_of({RIG_PROGRAM, {"--version"}, {}, {}}));
  }
  EXPECT_LT(added, 0.3);
}

TEST(Launcher, TellsHowItIsUsed) {
  const auto help = run({RIG_ROOT "/rig", {"--help"}, {}, {}});
  ASSERT_TRUE(help);
  EXPECT_EQ(help->exit_code, 0);
  for (const char* word : {"demo", "test", "build"}) EXPECT_THAT(help->out, HasSubstr(word));
  const auto nothing = run({RIG_ROOT "/rig", {}, {}, {}});
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->exit_code, 2);
}

}  // namespace
}  // namespace rig::e2e
