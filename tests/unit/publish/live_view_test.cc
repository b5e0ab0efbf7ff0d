// SPDX-License-Identifier: Apache-2.0
#include "publish/live_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <sstream>

namespace rig::publish {
namespace {

using testing::HasSubstr;
using testing::Not;
using verdict::Outcome;

// What a terminal would show of the text written to it: knows CR, LF, "up" and the two erasures.
std::vector<std::string> screen_of(const std::string& text) {
  std::vector<std::string> lines(1);
  std::size_t row = 0, column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++row;
      column = 0;
      if (row == lines.size()) lines.emplace_back();
    } else if (text[i] == '\r') {
      column = 0;
    } else if (text[i] == '\x1b') {
      std::size_t count = 0;
      for (i += 2; text[i] >= '0' && text[i] <= '9'; ++i) {
        count = count * 10 + static_cast<std::size_t>(text[i] - '0');
      }
      if (text[i] == 'A') row -= std::min(row, count);
      if (text[i] == 'K' || text[i] == 'J') lines[row].resize(column);
      if (text[i] == 'J') lines.resize(row + 1);
    } else {
      if (lines[row].size() <= column) lines[row].resize(column + 1, ' ');
      lines[row][column++] = text[i];
    }
  }
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

class LiveViewTest : public testing::Test {
 protected:
  LiveOptions options(bool terminal) {
    return {.terminal = terminal,
            .colour = false,
            .ticking = false,
            .now = [this] { return now_; },
            .size = [this] { return size_; }};
  }
  void pass(int milliseconds) { now_ += std::chrono::milliseconds(milliseconds); }
  std::vector<std::string> screen() const { return screen_of(out_.str()); }

  std::ostringstream out_;
  Clock::time_point now_ = Clock::time_point() + std::chrono::hours(1);
  TerminalSize size_{100, 24};
};

using Lines = std::vector<std::string>;

TEST_F(LiveViewTest, WithoutATerminalEveryPhaseIsOnePlainLine) {
  {
    LiveView view(out_, options(false));
    view.step({.step = "fetch linux-image", .fraction = 0.1, .detail = ""});
    view.step({.step = "fetch linux-image", .fraction = 0.2, .detail = ""});
    pass(1500);
    view.phase(1, "1/2", "late/x86_64/faulty", "boot");
    pass(2000);
    view.detail(1, "not shown");
    view.tick();
    view.phase(1, "1/2", "late/x86_64/faulty", "inject");
    pass(500);
    view.done(1, Outcome::kExpectedCrash, true, 2.5, "guest panicked");
  }
  EXPECT_EQ(out_.str(),
            "[   0.0 s] fetch linux-image   10 %\n"
            "[   1.5 s] late/x86_64/faulty 1/2: boot\n"
            "[   3.5 s] late/x86_64/faulty 1/2: inject\n"
            "[   4.0 s] late/x86_64/faulty 1/2: expected-crash in 2.50 s, guest panicked\n");
}

TEST_F(LiveViewTest, OnATerminalALineIsRedrawnInPlace) {
  LiveView view(out_, options(true));
  view.phase(1, "1/2", "late/faulty", "boot");
  view.tick();
  EXPECT_EQ(screen(), Lines{"late/faulty 1/2  boot 0.0 s"});
  pass(2300);
  view.tick();
  EXPECT_EQ(screen(), Lines{"late/faulty 1/2  boot 2.3 s"});
  view.phase(1, "1/2", "late/faulty", "capture");
  view.detail(1, "38 % of 512 MB");
  pass(400);
  view.tick();
  EXPECT_EQ(screen(), Lines{"late/faulty 1/2  capture 0.4 s of 2.7 s  38 % of 512 MB"});
}

TEST_F(LiveViewTest, FinishedAttemptsStayAboveTheRunningOnes) {
  {
    LiveView view(out_, options(true));
    view.phase(1, "1/1", "faulty", "boot");
    view.phase(2, "1/1", "fixed", "boot");
    view.tick();
    pass(1000);
    view.done(1, Outcome::kExpectedCrash, true, 1.0, "");
    view.note("KVM does not run a guest here");
    view.tick();
    EXPECT_EQ(screen(), (Lines{"[   1.0 s] faulty 1/1: expected-crash in 1.00 s",
                               "KVM does not run a guest here", "fixed 1/1  boot 1.0 s"}));
  }
  EXPECT_EQ(screen(), (Lines{"[   1.0 s] faulty 1/1: expected-crash in 1.00 s",
                             "KVM does not run a guest here"}));
}

TEST_F(LiveViewTest, DrawsAtMostTenTimesASecond) {
  LiveView view(out_, options(true));
  view.phase(1, "1/1", "faulty", "boot");
  view.tick();
  const auto drawn = out_.str().size();
  for (int i = 0; i < 9; ++i) {
    pass(10);
    view.detail(1, std::to_string(i));
    view.tick();
  }
  EXPECT_EQ(out_.str().size(), drawn);
  pass(10);
  view.tick();
  EXPECT_GT(out_.str().size(), drawn);
}

TEST_F(LiveViewTest, LinesNeverReachTheLastColumn) {
  LiveView view(out_, options(true));
  for (const std::size_t columns : {200u, 60u, 40u, 20u, 3u, 1u}) {
    size_.columns = columns;
    view.phase(1, "12/20", "late-completion/x86_64/debian-6.1/none/faulty", "capture");
    view.detail(1, std::string(300, 'x') + "\x1b[31m\n");
    pass(100);
    view.tick();
    ASSERT_EQ(screen().size(), 1u) << columns;
    EXPECT_LE(screen()[0].size(), columns > 1 ? columns - 1 : 1);
  }
}

TEST_F(LiveViewTest, MoreAttemptsThanRowsAreCounted) {
  size_.rows = 5;
  LiveView view(out_, options(true));
  for (unsigned i = 0; i < 10; ++i) view.phase(i, "1/1", "cell", "boot");
  view.tick();
  ASSERT_EQ(screen().size(), 3u);
  EXPECT_EQ(screen()[2], "... and 8 more");
}

TEST_F(LiveViewTest, StepIsShownUntilAnAttemptBegins) {
  LiveView view(out_, options(true));
  view.step({.step = "fetch linux-image", .fraction = 0.5, .detail = "35 of 70 MB"});
  view.tick();
  EXPECT_EQ(screen(), Lines{"fetch linux-image   50 %  35 of 70 MB  0.0 s"});
  pass(100);
  view.phase(1, "1/1", "cell", "boot");
  view.tick();
  EXPECT_EQ(screen(), Lines{"cell 1/1  boot 0.0 s"});
}

TEST_F(LiveViewTest, NothingIsWrittenWhenNothingHappens) {
  {
    LiveView view(out_, options(true));
    view.tick();
  }
  EXPECT_EQ(out_.str(), "");
}

TEST_F(LiveViewTest, ThreadsMayCallItWhileItTicks) {
  LiveOptions ticking = options(true);
  ticking.ticking = true;
  ticking.now = [] { return Clock::now(); };
  {
    LiveView view(out_, ticking);
    std::vector<std::jthread> threads;
    for (unsigned id = 0; id < 4; ++id) {
      threads.emplace_back([&view, id] {
        for (int i = 0; i < 200; ++i) {
          view.phase(id, "1/1", "cell", "boot");
          view.detail(id, "x");
          view.tick();
          view.done(id, Outcome::kSurvived, true, 1, "");
        }
      });
    }
  }
  EXPECT_EQ(screen().size(), 800u);
}

}  // namespace
}  // namespace rig::publish
