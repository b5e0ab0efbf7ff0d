// SPDX-License-Identifier: Apache-2.0
#include "vm/console_log.h"

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

}  // namespace
}  // namespace rig::vm
