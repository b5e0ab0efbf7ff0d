// SPDX-License-Identifier: Apache-2.0
#include "hang_phase.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fakes/fake_vm.h"

namespace rig {
namespace {

using fakes::FakeVm;
using std::chrono::seconds;
using testing::HasSubstr;
using vm::EventKind;

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

const std::vector<std::string> kWords = {
    "[   20.1] Uhhuh. NMI received for unknown reason 30 on CPU 0.",
    "[   20.2] Kernel panic - not syncing: NMI: Not continuing"};

std::vector<vm::Event> words_and(const std::vector<vm::EventKind>& ends) {
  std::vector<vm::Event> events;
  for (const std::string& line : kWords) events.push_back(FakeVm::console(line));
  for (const vm::EventKind end : ends) events.push_back(FakeVm::event(end));
  return events;
}

TEST(Nmi, WhatTheKernelSaysIsKeptWithTheHang) {
  FakeVm machine;
  machine.has_nmi = true;
  machine.reactions["resume"] = words_and({EventKind::kReset, EventKind::kStopped});
  store::Hang hang;
  ASSERT_TRUE(ask_by_nmi(machine, {}, hang));
  ASSERT_TRUE(hang.nmi);
  EXPECT_EQ(hang.nmi->said, kWords[0]);
  ASSERT_TRUE(hang.nmi->report);
  EXPECT_EQ(hang.nmi->report->kind, "panic");
  EXPECT_EQ(machine.calls(), (std::vector<std::string>{"inject_nmi", "resume"}));
}

TEST(Nmi, WhatWasSaidBeforeIsNoAnswer) {
  FakeVm machine;
  machine.has_nmi = true;
  machine.push(
      FakeVm::console("[   20.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [a:9]"));
  machine.reactions["resume"] = words_and({EventKind::kReset});
  store::Hang hang;
  ASSERT_TRUE(ask_by_nmi(machine, {}, hang));
  ASSERT_TRUE(hang.nmi && hang.nmi->report);
  EXPECT_EQ(hang.nmi->said, kWords[0]);
  EXPECT_EQ(hang.nmi->report->kind, "panic");
}

// With pvpanic the panic is told before its words are printed.
TEST(Nmi, GuestThatStopsInItsPanicIsLetGoOnForItsWords) {
  class Panicking : public FakeVm {
   public:
    Status resume(Deadline deadline) override {
      RIG_TRY(FakeVm::resume(deadline));
      const bool first = count("resume") == 1;
      const auto events = first
                              ? std::vector{event(EventKind::kPanicked), event(EventKind::kStopped)}
                              : words_and({EventKind::kReset});
      for (const vm::Event& each : events) push(each);
      return {};
    }
  };
  Panicking machine;
  machine.has_nmi = true;
  store::Hang hang;
  ASSERT_TRUE(ask_by_nmi(machine, {}, hang));
  ASSERT_TRUE(hang.nmi && hang.nmi->report);
  EXPECT_EQ(machine.count("resume"), 2u);
}

TEST(Nmi, BreakpointOnTheWayIsPassed) {
  class Trapping : public FakeVm {
   public:
    Status resume(Deadline deadline) override {
      RIG_TRY(FakeVm::resume(deadline));
      push(event(count("resume") == 1 ? EventKind::kBreakpoint : EventKind::kPoweredOff));
      return {};
    }
  };
  Trapping machine;
  machine.has_nmi = true;
  store::Hang hang;
  ASSERT_TRUE(ask_by_nmi(machine, {}, hang));
  EXPECT_EQ(machine.count("remove_breakpoint"), 1u);
  ASSERT_TRUE(hang.nmi);
  EXPECT_EQ(hang.nmi->said, "");
}

TEST(Nmi, MachineWithoutThemIsNotLetGoOn) {
  FakeVm machine;
  store::Hang hang;
  ASSERT_TRUE(ask_by_nmi(machine, {}, hang));
  EXPECT_FALSE(hang.nmi);
  EXPECT_EQ(machine.calls(), std::vector<std::string>{"inject_nmi"});
}

TEST(Nmi, OnlyAHardHangNeedsOne) {
  for (const HangKind kind : {HangKind::kSoft, HangKind::kBoot}) {
    FakeVm machine;
    machine.has_nmi = true;
    store::Hang hang{.kind = kind, .slowness = 1, .last_line = ""};
    ASSERT_TRUE(ask_by_nmi(machine, {}, hang));
    EXPECT_TRUE(machine.calls().empty());
  }
}

TEST(Nmi, GuestThatIsLostOnTheWayCostsOnlyItsWords) {
  FakeVm machine;
  machine.has_nmi = true;
  machine.fails["resume"] = Error{Blame::kRig, "QEMU died", ""};
  store::Hang hang;
  ASSERT_TRUE(ask_by_nmi(machine, {}, hang));
  machine.fails["inject_nmi"] = Error{Blame::kRig, "QEMU died", ""};
  EXPECT_TRUE(ask_by_nmi(machine, {}, hang));
  machine.fails["resume"] = Error{Blame::kCancelled, "stopped", ""};
  const auto cancelled = ask_by_nmi(machine, {}, hang);
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().blame, Blame::kCancelled);
}

}  // namespace
}  // namespace rig
