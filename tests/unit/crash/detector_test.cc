// SPDX-License-Identifier: Apache-2.0
#include "crash/detector.h"

#include <gtest/gtest.h>

#include "fakes/fake_vm.h"

namespace rig::crash {
namespace {

using namespace std::chrono_literals;
using fakes::FakeVm;
using vm::EventKind;

constexpr auto kOops =
    "[   12.000000] BUG: kernel NULL pointer dereference, address: 0000000000000106";

// Feeds events at times counted from a fixed start: nothing here waits.
class DetectorTest : public ::testing::Test {
 protected:
  State console(Clock::duration at, std::string line) {
    return feed(at, FakeVm::console(std::move(line)));
  }
  State happens(Clock::duration at, EventKind kind, int code = 0) {
    return feed(at, FakeVm::event(kind, code));
  }
  State beat(Clock::duration at, std::uint64_t work, std::uint64_t programs) {
    vm::Event event = FakeVm::event(EventKind::kHeartbeat);
    event.work = work;
    event.programs = programs;
    event.uptime = at;
    return feed(at, event);
  }
  State tick(Clock::duration at) { return detector_.tick(start_ + at); }

  Clock::time_point start_ = Clock::now();
  Detector detector_;

 private:
  State feed(Clock::duration at, vm::Event event) {
    event.when = start_ + at;
    return detector_.feed(event);
  }
};

TEST_F(DetectorTest, PanicIsACrashAtOnce) {
  EXPECT_EQ(happens(1s, EventKind::kPanicked), State::kCrashed);
  EXPECT_EQ(detector_.reason(), "guest panicked");
  EXPECT_EQ(detector_.next_tick(), Clock::time_point::max());
}

TEST_F(DetectorTest, ResetWithoutPvpanicIsACrashAtOnce) {
  EXPECT_EQ(happens(1s, EventKind::kReset), State::kCrashed);
  EXPECT_EQ(happens(1s, EventKind::kStopped), State::kCrashed);
}

TEST_F(DetectorTest, ReportGetsTheGracePeriodToBeWhole) {
  EXPECT_EQ(console(1s, kOops), State::kRunning);
  EXPECT_EQ(detector_.next_tick(), start_ + 4s);
  EXPECT_EQ(console(2s, "[   12.100000] Call Trace:"), State::kRunning);
  EXPECT_EQ(tick(3999ms), State::kRunning);
  EXPECT_EQ(tick(4s), State::kCrashed);
  EXPECT_EQ(detector_.reason(), "kernel report: null-deref");
}

TEST_F(DetectorTest, GraceAlsoEndsWithAnEventThatComesLater) {
  console(1s, kOops);
  EXPECT_EQ(console(5s, "[   13.000000] noise"), State::kCrashed);
}

TEST_F(DetectorTest, ReportOfASlowMachineIsWholeWhenItsLinesHaveEnded) {
  console(1s, kOops);
  for (const auto at : {2s, 3s}) console(at, "[   12.100000]  dump_stack_lvl+0x44/0x5c");
  EXPECT_EQ(console(3900ms, "[   12.100000]  kfree+0x44/0x5c"), State::kRunning);
  EXPECT_EQ(detector_.next_tick(), start_ + 4900ms);
  EXPECT_EQ(console(4800ms, "[   12.200000]  kasan_report+0x44/0x5c"), State::kRunning);
  EXPECT_EQ(console(5s, "a program goes on printing"), State::kRunning);
  EXPECT_EQ(tick(5800ms), State::kCrashed);
}

TEST_F(DetectorTest, ReportThatFollowsIsNotWaitedFor) {
  console(1s, kOops);
  console(1500ms, "[   12.100000] BUG kmalloc-1k (Tainted: G): Poison overwritten");
  console(3900ms, "[   12.200000] BUG kmalloc-1k (Tainted: G): Poison overwritten");
  EXPECT_EQ(detector_.next_tick(), start_ + 4s);
}

TEST_F(DetectorTest, KernelThatNeverFallsSilentIsNotWaitedForLonger) {
  console(1s, kOops);
  for (auto at = 1500ms; at < 21s; at += 500ms) {
    EXPECT_EQ(console(at, "[   12.100000] and on"), State::kRunning);
  }
  EXPECT_EQ(tick(21s), State::kCrashed);
}

TEST_F(DetectorTest, StoppedGuestEndsTheReport) {
  console(1s, kOops);
  EXPECT_EQ(happens(1100ms, EventKind::kStopped), State::kCrashed);
  EXPECT_EQ(detector_.reason(), "kernel report: null-deref");
}

TEST_F(DetectorTest, StopWithoutReportIsNoCrash) {
  EXPECT_EQ(happens(1s, EventKind::kStopped), State::kRunning);
}

TEST_F(DetectorTest, ProgramThatEndsFinishesAfterSettling) {
  EXPECT_EQ(happens(1s, EventKind::kProgramExited, 0), State::kRunning);
  EXPECT_EQ(detector_.next_tick(), start_ + 1500ms);
  EXPECT_EQ(tick(1500ms), State::kFinished);
  EXPECT_EQ(detector_.program_exit(), 0);
}

TEST_F(DetectorTest, NonZeroExitIsFinishedWithItsCode) {
  happens(1s, EventKind::kProgramExited, 3);
  EXPECT_EQ(tick(2s), State::kFinished);
  EXPECT_EQ(detector_.program_exit(), 3);
  EXPECT_EQ(detector_.reason(), "the load ended with exit code 3");
}

TEST_F(DetectorTest, ReportRightAfterTheProgramEndedStillWins) {
  happens(1s, EventKind::kProgramExited, 0);
  EXPECT_EQ(console(1400ms, kOops), State::kRunning);
  EXPECT_EQ(tick(2s), State::kRunning);
  EXPECT_EQ(tick(4400ms), State::kCrashed);
}

TEST_F(DetectorTest, ReportThatBeganBeforeTheProgramEndedWins) {
  console(1s, kOops);
  happens(2s, EventKind::kProgramExited, 139);
  EXPECT_EQ(tick(4s), State::kCrashed);
  EXPECT_EQ(detector_.program_exit(), 139);
}

TEST_F(DetectorTest, PowerOffWithoutReportIsFinished) {
  EXPECT_EQ(happens(1s, EventKind::kPoweredOff), State::kFinished);
  EXPECT_EQ(detector_.reason(), "guest powered off");
}

TEST_F(DetectorTest, PowerOffAfterAReportIsACrash) {
  console(1s, kOops);
  EXPECT_EQ(happens(1100ms, EventKind::kPoweredOff), State::kCrashed);
}

TEST_F(DetectorTest, SilenceOfTheAgentIsAHang) {
  happens(0s, EventKind::kHello);
  EXPECT_EQ(happens(10s, EventKind::kHeartbeat), State::kRunning);
  EXPECT_EQ(tick(24s), State::kRunning);
  EXPECT_EQ(tick(25s), State::kHung);
  EXPECT_EQ(detector_.reason(), "hard hang: no heartbeat for 15.0 s");
  EXPECT_EQ(detector_.hang(), HangKind::kHard);
}

TEST_F(DetectorTest, LoadThatDoesNoMoreWorkIsASoftHangWhileTheAgentGoesOn) {
  happens(0s, EventKind::kHello);
  for (auto at = 500ms; at < 40s; at += 500ms) {
    const std::uint64_t work = at < 5s ? 10 + static_cast<std::uint64_t>(at / 500ms) : 20;
    if (beat(at, work, 1) != State::kRunning) break;
  }
  EXPECT_EQ(detector_.state(), State::kHung);
  EXPECT_EQ(detector_.hang(), HangKind::kSoft);
  EXPECT_EQ(detector_.reason(),
            "soft hang: the load did no work for 30.0 s, and the agent goes on");
}

TEST_F(DetectorTest, LoadThatNeverCountedWorkIsNotMissed) {
  for (auto at = 0ms; at < 100s; at += 500ms) EXPECT_EQ(beat(at, 0, 1), State::kRunning);
}

TEST_F(DetectorTest, WithoutAProgramThereIsNoWorkToMiss) {
  beat(0s, 7, 1);
  for (auto at = 500ms; at < 100s; at += 500ms) EXPECT_EQ(beat(at, 7, 0), State::kRunning);
}

TEST_F(DetectorTest, AgentThatFallsSilentAsWellMakesItAHardHang) {
  beat(0s, 0, 1);
  beat(500ms, 7, 1);
  for (auto at = 1000ms; at <= 20s; at += 500ms) beat(at, 7, 1);  // the load has stopped at 0.5 s
  EXPECT_EQ(tick(34900ms), State::kRunning) << "soft at 30.5 s, had the agent been heard";
  EXPECT_EQ(tick(35s), State::kHung);
  EXPECT_EQ(detector_.hang(), HangKind::kHard);
}

TEST_F(DetectorTest, ReportOfAHangIsTheHangsReportAndHeartbeatsTellWhichItIs) {
  constexpr auto kSoftLockup =
      "[   30.100000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [load:99]";
  happens(0s, EventKind::kHello);
  beat(1s, 5, 1);
  console(2s, kSoftLockup);
  EXPECT_EQ(tick(4900ms), State::kRunning);
  EXPECT_EQ(tick(5s), State::kHung) << "silent since the report";
  EXPECT_EQ(detector_.hang(), HangKind::kHard);
  EXPECT_EQ(detector_.reason(), "hard hang: kernel report: soft-lockup");

  Detector other;
  other.booted(1s);
  const auto feed = [&](Clock::duration at, vm::Event event) {
    event.when = start_ + at;
    return other.feed(event);
  };
  feed(1s, FakeVm::event(EventKind::kHeartbeat));
  feed(2s, FakeVm::console("[   99.5] INFO: task load:99 blocked for more than 5 seconds."));
  feed(3s, FakeVm::event(EventKind::kHeartbeat));
  EXPECT_EQ(other.tick(start_ + 5s), State::kHung);
  EXPECT_EQ(other.hang(), HangKind::kSoft);
}

TEST_F(DetectorTest, ReportThatIsDisownedDecidesNothingAndTheNextOneDoes) {
  happens(0s, EventKind::kHello);
  beat(1s, 5, 1);
  EXPECT_EQ(detector_.deciding_line(), "");
  console(2s, kOops);
  EXPECT_EQ(detector_.deciding_line(), "") << "not yet";
  EXPECT_EQ(tick(5s), State::kCrashed);
  EXPECT_EQ(detector_.deciding_line(), kOops);
  detector_.disown_report();
  detector_.skip(1s);
  EXPECT_EQ(detector_.state(), State::kRunning);
  EXPECT_FALSE(detector_.report_began());
  EXPECT_EQ(beat(6s, 6, 1), State::kRunning);
  console(7s, "[   17.000000] Kernel panic - not syncing: for real");
  EXPECT_EQ(happens(7100ms, EventKind::kPanicked), State::kCrashed);
  EXPECT_EQ(detector_.report_kind(), "panic");
  EXPECT_EQ(detector_.deciding_line(), "") << "the panic did";
}

TEST_F(DetectorTest, PanicOnAHangIsACrash) {
  happens(0s, EventKind::kHello);
  console(2s, "[   30.1] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [load:99]");
  EXPECT_EQ(happens(2500ms, EventKind::kPanicked), State::kCrashed);
}

TEST_F(DetectorTest, SlowMachineGetsMoreTime) {
  detector_.booted(30s);  // three times as long as expected
  happens(0s, EventKind::kHello);
  EXPECT_EQ(tick(44s), State::kRunning);
  EXPECT_EQ(tick(45s), State::kHung);
}

TEST_F(DetectorTest, TimeThatTheMachineStoodStillIsNoSilence) {
  happens(0s, EventKind::kHeartbeat);
  detector_.skip(10s);
  EXPECT_EQ(tick(20s), State::kRunning);
  EXPECT_EQ(tick(25s), State::kHung);
}

TEST_F(DetectorTest, ConsoleOutputAloneDoesNotProveLife) {
  happens(0s, EventKind::kHello);
  console(14s, "[   20.000000] some driver: still here");
  EXPECT_EQ(tick(15s), State::kHung);
}

TEST_F(DetectorTest, ALateHeartbeatInTheQueueIsNoHang) {
  happens(0s, EventKind::kHello);
  EXPECT_EQ(happens(16s, EventKind::kHeartbeat), State::kRunning);
}

TEST_F(DetectorTest, BeforeTheAgentIsUpNothingCanHang) {
  EXPECT_EQ(tick(1h), State::kRunning);
  EXPECT_EQ(detector_.next_tick(), Clock::time_point::max());
}

TEST_F(DetectorTest, WatchdogIsAHangUnlessTheKernelCrashed) {
  EXPECT_EQ(happens(1s, EventKind::kWatchdog), State::kHung);
  EXPECT_EQ(detector_.hang(), HangKind::kHard);
  Detector other;
  vm::Event line = FakeVm::console("[   30.1] x");
  line.text = kOops;
  other.feed(line);
  EXPECT_EQ(other.feed(FakeVm::event(EventKind::kWatchdog)), State::kCrashed);
}

TEST_F(DetectorTest, BackendThatExitsIsGoneEvenInAReport) {
  console(1s, kOops);
  EXPECT_EQ(happens(1500ms, EventKind::kBackendExited), State::kGone);
}

TEST_F(DetectorTest, BackendThatExitsAfterAPanicChangesNothing) {
  happens(1s, EventKind::kPanicked);
  EXPECT_EQ(happens(2s, EventKind::kBackendExited), State::kCrashed);
}

TEST_F(DetectorTest, LinesThatArriveAfterThePanicAreKept) {
  happens(1s, EventKind::kPanicked);
  console(1001ms, "[   12.5] last words");
  EXPECT_NE(detector_.console().find("last words"), std::string::npos);
}

TEST_F(DetectorTest, TextOfAProgramIsNoReportWhereTheKernelStampsItsLines) {
  console(0s, "[    0.000000] Linux version 6.1.0");
  console(1s, "BUG: kernel NULL pointer dereference, address: 0000000000000106");
  EXPECT_EQ(tick(1h), State::kRunning);
  EXPECT_EQ(detector_.report_kind(), "");
  console(2s, kOops);
  EXPECT_EQ(detector_.report_kind(), "null-deref");
}

TEST_F(DetectorTest, WithoutStampsEveryLineCounts) {
  console(1s, "BUG: kernel NULL pointer dereference, address: 0000000000000106");
  EXPECT_EQ(tick(4s), State::kCrashed);
}

TEST_F(DetectorTest, OutOfMemoryUnderLoadIsNoCrash) {
  console(1s, "[   12.000000] load invoked oom-killer: gfp_mask=0x140cca, order=0");
  EXPECT_EQ(tick(1h), State::kRunning);
}

TEST_F(DetectorTest, CrashAfterOutOfMemoryIsTheCrash) {
  console(1s, "[   12.000000] load: page allocation failure: order:4, mode:0x40cc0");
  console(2s, kOops);
  EXPECT_EQ(tick(6s), State::kCrashed);
  EXPECT_EQ(detector_.report_kind(), "null-deref");
}

TEST_F(DetectorTest, FloodKeepsBeginningReportAndEndAndSaysSo) {
  console(0s, "[    0.000000] Linux version 6.1.0");
  const std::string noise(200, 'x');
  for (int i = 0; i < 100'000; ++i) console(1s, "[    1.000000] " + noise);
  console(2s, kOops);
  console(2s, "[   12.000001] RIP: 0010:skb_release_data+0x83/0x180");
  for (int i = 0; i < 100'000; ++i) console(2s, "[   13.000000] " + noise);
  console(2s, "[   99.000000] the end");
  const std::string text = detector_.console();
  EXPECT_LT(text.size(), 15u << 20);
  EXPECT_EQ(text.find("[    0.000000] Linux version"), 0u);
  EXPECT_NE(text.find("skb_release_data"), std::string::npos);
  EXPECT_NE(text.find("the end\n"), std::string::npos);
  EXPECT_NE(text.find("of console output left out here]"), std::string::npos);
}

TEST_F(DetectorTest, ShortConsoleIsKeptExactly) {
  console(0s, "a");
  console(0s, kOops);
  console(0s, "c");
  EXPECT_EQ(detector_.console(), std::string("a\n") + kOops + "\nc\n");
}

TEST_F(DetectorTest, OneEndlessLineStaysWithinTheBounds) {
  console(0s, std::string(64 << 20, 'x'));
  EXPECT_LT(detector_.console().size(), 9u << 20);
}

}  // namespace
}  // namespace rig::crash
