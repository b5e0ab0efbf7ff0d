// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <gtest/gtest.h>

#include <thread>

namespace rig {
namespace {

TEST(Process, CapturesOutputAndExitCode) {
  const auto done = run({"sh", {"-c", "echo out; echo err >&2; exit 7"}, {}, {}});
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(done->out, "out\n");
  EXPECT_EQ(done->err, "err\n");
  EXPECT_EQ(done->exit_code, 7);
}

TEST(Process, HandsOnLinesAsTheyArrive) {
  std::vector<std::string> lines;
  RunOptions options;
  options.on_line = [&](std::string_view line) { lines.emplace_back(line); };
  ASSERT_TRUE(run({"printf", {"a\\nb\\nlast"}, {}, {}}, options));
  EXPECT_EQ(lines, (std::vector<std::string>{"a", "b", "last"}));
}

TEST(Process, DeadlineEndsTheProgramAndItsChildren) {
  RunOptions options;
  options.deadline = Deadline::after(std::chrono::milliseconds(200));
  const Stopwatch watch;
  const auto done = run({"sh", {"-c", "sleep 60 & sleep 60"}, {}, {}}, options);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().blame, Blame::kRig);
  EXPECT_LT(watch.seconds(), 5);
}

TEST(Process, StopTokenEndsTheProgram) {
  std::stop_source source;
  RunOptions options;
  options.stop = source.get_token();
  options.on_line = [&](std::string_view) { source.request_stop(); };
  const auto done = run({"sh", {"-c", "echo started; sleep 60"}, {}, {}}, options);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().blame, Blame::kCancelled);
}

TEST(Process, MissingProgramNamesThePackage) {
  const auto path = find_program("no-such-program", "some-package");
  ASSERT_FALSE(path);
  EXPECT_NE(path.error().hint.find("some-package"), std::string::npos);
}

TEST(Process, RunsInTheGivenFolderWithTheGivenEnvironment) {
  const auto done = run({"sh", {"-c", "pwd; echo $RIG_X"}, "/", {{"RIG_X", "y"}}});
  ASSERT_TRUE(done);
  EXPECT_EQ(done->out, "/\ny\n");
}

TEST(Process, QuotesForAShell) {
  EXPECT_EQ((Command{"qemu", {"-append", "a b'c"}, {}, {}}.to_shell()), "qemu -append 'a b'\\''c'");
}

}  // namespace
}  // namespace rig
