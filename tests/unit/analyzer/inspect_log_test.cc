// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "analyzer/inspect/log_dates.h"
#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using testing::HasSubstr;

TEST(LogDates, StandForTheSecondsSinceTheBoot) {
  constexpr double kBoot = 1'795'261'481.5;  // Sat Nov 21 11:44:41 2026 UTC
  EXPECT_EQ(log_with_dates("[    0.000000] first\n[    3.600000] second [ 1.0]\n", kBoot),
            "[Sat Nov 21 11:44:41 2026] first\n[Sat Nov 21 11:44:45 2026] second [ 1.0]\n");
}

TEST(LogDates, LinesWithoutATimeStayAsTheyAre) {
  for (const std::string text : {"", "plain", "[ x] y\n", "[\n", "[    1.5 not closed\n"}) {
    EXPECT_EQ(log_with_dates(text, 1e9), text);
  }
}

TEST(InspectLog, WhatIsNoOptionIsRefused) {
  fake::KernelCore core;
  EXPECT_THAT(core.text("log -x"), HasSubstr("usage: log [-T]"));
  EXPECT_THAT(core.text("log 5"), HasSubstr("usage: log [-T]"));
}

}  // namespace
}  // namespace rig::analyzer
