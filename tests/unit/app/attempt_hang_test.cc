// SPDX-License-Identifier: Apache-2.0
// Attempts whose guest hangs hard: what tells it, and what is done then.
#include "unit/app/attempt_fixture.h"

namespace rig {
namespace {

using fakes::FakeVm;
using testing::HasSubstr;
using verdict::Outcome;
using vm::EventKind;

// A scenario that wants the watchdog armed.
class WatchdogTest : public AttemptTest {
 protected:
  WatchdogTest() {
    auto scenario = std::make_shared<scenario::Scenario>(*scenario_);
    scenario->guest.hardware.watchdog = std::chrono::seconds(10);
    cell_.scenario = scenario;
    cell_.detector.expect = {};
    cell_.detector.expect.hang.emplace();
    cell_.detector.expect.hang->kind = HangKind::kHard;
    machine_to_play_->core = fakes::minimal_core();
  }
  std::unique_ptr<FakeVm> machine_to_play_ = std::make_unique<FakeVm>();
};

TEST_F(WatchdogTest, ThatFiresIsAHardHangAndWhatItWasSetToIsRecorded) {
  machine_to_play_->watchdog = std::chrono::seconds(12);
  machine_to_play_->reactions["start_program"] = {FakeVm::event(EventKind::kWatchdog),
                                                  FakeVm::event(EventKind::kStopped)};
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  EXPECT_EQ(attempt.watchdog, std::chrono::seconds(12));
  EXPECT_EQ(attempt.reason, "hard hang: the watchdog fired");
  EXPECT_EQ(attempt.core, "vmcore");
}

// The core is evidence, what follows an NMI is not.
class NmiTest : public WatchdogTest {
 protected:
  NmiTest() {
    machine_to_play_->has_nmi = true;
    machine_to_play_->reactions["start_program"] = {FakeVm::event(EventKind::kWatchdog),
                                                    FakeVm::event(EventKind::kStopped)};
    machine_to_play_->reactions["resume"] = {
        FakeVm::console("[   20.2] Kernel panic - not syncing: NMI: Not continuing"),
        FakeVm::event(EventKind::kReset)};
  }
};

TEST_F(NmiTest, PanicThatFollowsItIsNoCauseAndNeedsNoExpectation) {
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
  EXPECT_EQ(attempt.reason, "hard hang: the watchdog fired");
  EXPECT_FALSE(attempt.report);
  ASSERT_TRUE(attempt.hang && attempt.hang->nmi && attempt.hang->nmi->report);
  EXPECT_EQ(attempt.hang->nmi->report->kind, "panic");
}

TEST_F(NmiTest, PanicThatFollowsItMayBeExpected) {
  cell_.detector.expect.report.emplace().kind = "panic";
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kExpectedCrash) << attempt.error;
}

TEST_F(NmiTest, ComesOnlyOnceTheCoreIsTaken) {
  machine_to_play_->fails["dump"] = Error{Blame::kRig, "No space left on device", ""};
  machine_to_play_->fails["inject_nmi"] = Error{Blame::kCancelled, "too early", ""};
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError);
  EXPECT_THAT(attempt.error, HasSubstr("No space left"));
}

TEST_F(WatchdogTest, IsArmedBeforeAnythingIsInjected) {
  machine_to_play_->fails["put_file"] = Error{Blame::kRig, "that was too early", ""};
  machine_to_play_->fails["arm_watchdog"] =
      Error{Blame::kKernel, "open /dev/watchdog: No such file or directory", ""};
  const auto attempt = play(std::move(machine_to_play_));
  EXPECT_EQ(attempt.outcome, Outcome::kRigError) << "a watchdog that is not there";
  EXPECT_THAT(attempt.error, HasSubstr("i6300esb: open /dev/watchdog: No such file"));
  EXPECT_EQ(phases_, std::vector<std::string>{"boot"});
}

TEST_F(AttemptTest, GuestWithoutAWatchdogIsNotAskedForOne) {
  expect_survival();
  auto machine = std::make_unique<FakeVm>();
  machine->fails["arm_watchdog"] = Error{Blame::kRig, "nobody wanted it", ""};
  machine->reactions["start_program"] = {FakeVm::event(EventKind::kProgramExited, 0)};
  const auto attempt = play(std::move(machine));
  EXPECT_EQ(attempt.outcome, Outcome::kSurvived) << attempt.error;
  EXPECT_FALSE(attempt.watchdog);
}

}  // namespace
}  // namespace rig
