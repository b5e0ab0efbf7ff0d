// SPDX-License-Identifier: Apache-2.0
#include "vm/console_log.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace rig::vm {
namespace {

using testing::ElementsAre;

class ConsoleLogTest : public testing::Test {
 protected:
  ConsoleLog create(const fs::path& path) {
    return *ConsoleLog::create(path, [this](std::string line) { lines_.push_back(line); });
  }
  Result<TempDir> folder_ = TempDir::create("console-test");
  std::vector<std::string> lines_;
};

TEST_F(ConsoleLogTest, LinesAreWholeHoweverTheBytesCome) {
  ConsoleLog log = create(folder_->path() / "console.log");
  for (const char c : std::string("one\r\ntwo\r\n\r\nlast")) log.feed(std::string_view(&c, 1));
  EXPECT_THAT(lines_, ElementsAre("one", "two", ""));
  log.finish();
  EXPECT_THAT(lines_, ElementsAre("one", "two", "", "last"));
  EXPECT_EQ(*read_file(folder_->path() / "console.log"), "one\ntwo\n\nlast");
}

TEST_F(ConsoleLogTest, EndlessLineIsCutIntoPieces) {
  ConsoleLog log = create(folder_->path() / "console.log");
  log.feed(std::string(ConsoleLog::kMaxLine + 10, 'x') + "\n");
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_EQ(lines_[0].size(), ConsoleLog::kMaxLine);
  EXPECT_EQ(lines_[1].size(), 10u);
}

TEST_F(ConsoleLogTest, FullDiskIsRememberedAndLinesGoOn) {
  ConsoleLog log = create("/dev/full");
  log.feed("one\ntwo\n");
  ASSERT_TRUE(log.error());
  EXPECT_EQ(log.error()->blame, Blame::kRig);
  EXPECT_THAT(log.error()->what, testing::HasSubstr("No space left"));
  EXPECT_THAT(lines_, ElementsAre("one", "two"));
}

class FloodTest : public ConsoleLogTest {
 protected:
  static constexpr ConsoleLogLimits kLimits{
      .head = 4096, .context = 512, .report = 1024, .tail = 2048};

  ConsoleLog create_small() {
    return *ConsoleLog::create(
        path_, [this](std::string) { ++count_; },
        [](std::string_view line) { return line == "BUG: report"; }, kLimits);
  }
  void flood(ConsoleLog& log, std::string_view what, int lines) {
    for (int i = 0; i < lines; ++i) log.feed(fmt::format("{} {}\n", what, i));
  }
  std::string content() const { return *read_file(path_); }

  fs::path path_ = folder_->path() / "console.log";
  std::size_t count_ = 0;
};

TEST_F(FloodTest, FileKeepsHeadAndTailAndSaysWhatIsMissing) {
  ConsoleLog log = create_small();
  flood(log, "noise", 100'000);
  const std::string text = content();
  EXPECT_EQ(count_, 100'000u);
  EXPECT_LT(text.size(), kLimits.head + 2 * kLimits.tail + 1000);
  EXPECT_TRUE(text.starts_with("noise 0\nnoise 1\n"));
  EXPECT_TRUE(text.ends_with("\nnoise 99998\nnoise 99999\n"));
  const auto gap = text.find("[crashrig: ");
  ASSERT_NE(gap, std::string::npos);
  EXPECT_EQ(text.find("[crashrig: ", gap + 1), std::string::npos) << "one gap, one line";
  EXPECT_EQ(text[gap - 1], '\n');
  EXPECT_EQ(text.compare(text.find('\n', gap) + 1, 6, "noise "), 0) << "whole lines follow";
}

TEST_F(FloodTest, FirstReportIsKeptAmidTheFlood) {
  ConsoleLog log = create_small();
  flood(log, "before", 10'000);
  log.feed("BUG: report\nRIP: in_the_report\n");
  flood(log, "after", 10'000);
  log.feed("BUG: report\nRIP: of_the_second\n");
  flood(log, "later", 10'000);
  const std::string text = content();
  EXPECT_NE(text.find("before 9999\nBUG: report\nRIP: in_the_report\nafter 0\n"),
            std::string::npos);
  EXPECT_EQ(text.find("of_the_second"), std::string::npos);
  EXPECT_TRUE(text.ends_with("later 9999\n"));
  EXPECT_LT(text.size(), 20'000u);
}

TEST_F(FloodTest, WhatFitsIsKeptExactly) {
  ConsoleLog log = create_small();
  std::string all;
  for (int i = 0; i < 500; ++i) all += fmt::format("line {}\n", i);
  log.feed(all);
  EXPECT_EQ(content(), all);
}

TEST_F(FloodTest, HundredMegabytesInOnePieceStayWithinTheBounds) {
  ConsoleLog log = *ConsoleLog::create(path_, [this](std::string) { ++count_; });
  const std::string line = std::string(79, 'x') + "\n";
  std::string block;
  while (block.size() < (1u << 20)) block += line;
  for (int i = 0; i < 100; ++i) log.feed(block);
  EXPECT_EQ(count_, 100 * block.size() / line.size());
  EXPECT_LT(fs::file_size(path_), 13u << 20);
  EXPECT_NE(content().find("of console output left out here]"), std::string::npos);
}

}  // namespace
}  // namespace rig::vm
