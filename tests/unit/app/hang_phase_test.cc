// SPDX-License-Identifier: Apache-2.0
#include "hang_phase.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes/fake_vm.h"

namespace rig {
namespace {

using fakes::FakeVm;
using std::chrono::seconds;
using testing::HasSubstr;

TEST(Watchdog, HasMoreTimeOnASlowMachineButNotMoreThanTheDriverTakes) {
  FakeVm machine;
  crash::Pace pace;
  EXPECT_EQ(arm_watchdog(machine, seconds(10), pace).value(), seconds(10));
  pace.booted(crash::Pace::kExpectedBoot * 5 / 2);
  EXPECT_EQ(arm_watchdog(machine, seconds(10), pace).value(), seconds(25));
  EXPECT_EQ(arm_watchdog(machine, seconds(3), pace).value(), seconds(8)) << "whole seconds";
  EXPECT_EQ(arm_watchdog(machine, seconds(2000), pace).value(), seconds(2046));
}

TEST(Watchdog, ThatIsMissingIsTheRigsFaultAndACancellationIsNot) {
  FakeVm machine;
  machine.fails["arm_watchdog"] = Error{Blame::kKernel, "open /dev/watchdog: none", ""};
  const auto missing = arm_watchdog(machine, seconds(10), {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().blame, Blame::kRig);
  EXPECT_THAT(missing.error().what, HasSubstr("watchdog of i6300esb"));
  machine.fails["arm_watchdog"] = Error{Blame::kCancelled, "stopped", ""};
  EXPECT_EQ(arm_watchdog(machine, seconds(10), {}).error().blame, Blame::kCancelled);
}

}  // namespace
}  // namespace rig
