// SPDX-License-Identifier: Apache-2.0
#include "crash/pace.h"

#include <gtest/gtest.h>

namespace rig::crash {
namespace {

using namespace std::chrono_literals;

class PaceTest : public testing::Test {
 protected:
  void beat(Clock::duration at, std::chrono::nanoseconds uptime) {
    pace_.beat(start_ + at, uptime);
  }
  Clock::time_point start_ = Clock::now();
  Pace pace_;
};

TEST_F(PaceTest, MachineThatHasShownNothingIsAsFastAsExpected) {
  EXPECT_EQ(pace_.slowness(), 1);
  EXPECT_EQ(pace_.scaled(15s), 15s);
}

TEST_F(PaceTest, QuickMachineGetsNoLessTime) {
  pace_.booted(1s);
  for (int i = 0; i < 20; ++i) beat(i * 500ms, i * 500ms);
  EXPECT_EQ(pace_.slowness(), 1);
}

TEST_F(PaceTest, SlowBootStretchesEveryWait) {
  pace_.booted(25s);
  EXPECT_EQ(pace_.scaled(10s), 25s);
}

TEST_F(PaceTest, HeartbeatsThatCameLateStretchEveryWait) {
  beat(0s, 0s);
  beat(500ms, 500ms);
  beat(6500ms, 6500ms);  // 6 s, and 2 s are never late
  beat(7s, 7s);
  EXPECT_EQ(pace_.slowness(), 3);
}

TEST_F(PaceTest, GuestWhoseClockFallsBehindWasGivenNoCpu) {
  for (int i = 0; i <= 10; ++i) beat(i * 1s, i * 500ms);
  EXPECT_EQ(pace_.slowness(), 2);
}

TEST_F(PaceTest, ClockIsNotJudgedByAMoment) {
  beat(0s, 0s);
  beat(900ms, 10ms);
  EXPECT_EQ(pace_.slowness(), 1);
}

TEST_F(PaceTest, TimeThatTheRigTookIsNotTheMachines) {
  beat(0s, 0s);
  pace_.skip(10s);
  beat(10500ms, 500ms);
  EXPECT_EQ(pace_.slowness(), 1);
}

TEST_F(PaceTest, EveryWaitStaysBounded) {
  pace_.booted(1h);
  EXPECT_EQ(pace_.slowness(), Pace::kMost);
}

using State = BootWatch::State;

TEST(BootWatchTest, SilentBootHasStopped) {
  const auto start = Clock::now();
  BootWatch watch(start, 10s);
  watch.moved(start + 3s);
  EXPECT_EQ(watch.next(), start + 13s);
  EXPECT_EQ(watch.at(start + 12900ms), State::kWaiting);
  EXPECT_EQ(watch.at(start + 13s), State::kSilent);
  EXPECT_EQ(watch.silence(start + 13s), Clock::duration(10s));
}

TEST(BootWatchTest, BootThatPrintsNothingAtAllHasStopped) {
  const auto start = Clock::now();
  EXPECT_EQ(BootWatch(start, 10s).at(start + 10s), State::kSilent);
}

TEST(BootWatchTest, SlowBootThatKeepsPrintingIsWaitedForButNotForEver) {
  const auto start = Clock::now();
  BootWatch watch(start, 10s);
  auto at = 0s;
  for (; at < 40s; at += 5s) {
    watch.moved(start + at);
    EXPECT_EQ(watch.at(start + at), State::kWaiting) << at.count();
  }
  EXPECT_EQ(watch.at(start + 40s), State::kSlow);
}

}  // namespace
}  // namespace rig::crash
