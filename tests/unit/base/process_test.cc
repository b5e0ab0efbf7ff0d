// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
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

TEST(Process, WhatTheProgramLeftBehindIsEndedWithIt) {
  const Stopwatch watch;
  const auto done = run({"sh", {"-c", "sleep 25 & echo $!"}, {}, {}});
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_LT(watch.seconds(), 0.9);  // its output ended with it: nobody was waited for
  EXPECT_EQ(done->exit_code, 0);
}

// A shell that exits once its daemon, in a session of its own, holds nothing but its stderr.
Command leave_daemon(std::string_view daemon, std::string_view then) {
  return {
      "sh", {"-c", fmt::format("$(setsid -f sh -c 'exec 1>&2; {}'); {}", daemon, then)}, {}, {}};
}

TEST(Process, DaemonThatKeepsTheOutputOpenIsNotWaitedFor) {
  const Stopwatch watch;
  const auto done = run(leave_daemon("sleep 4", "printf all; exit 3"));
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_LT(watch.seconds(), 3);
  EXPECT_EQ(done->out, "all");
  EXPECT_EQ(done->exit_code, 3);
}

TEST(Process, StopTokenEndsTheWaitForADaemonsOutputToo) {
  std::stop_source source;
  RunOptions options;
  options.stop = source.get_token();
  options.on_line = [&](std::string_view) { source.request_stop(); };
  const Stopwatch watch;
  const auto done = run(leave_daemon("sleep 0.3; echo on; sleep 4", "exit 0"), options);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().blame, Blame::kCancelled);
  EXPECT_LT(watch.seconds(), 0.9);
}

TEST(Process, ProgramStartsWithDefaultSignalsAndTheUsualUmask) {
  const auto old_handler = ::signal(SIGPIPE, SIG_IGN);
  const auto old_hangup = ::signal(SIGHUP, SIG_IGN);
  const mode_t old_mask = ::umask(0);
  const auto done = run({"sh", {"-c", "umask; grep SigIgn /proc/self/status"}, {}, {}});
  ::umask(old_mask);
  ::signal(SIGHUP, old_hangup);
  ::signal(SIGPIPE, old_handler);
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(done->out, "0022\nSigIgn:\t0000000000000000\n");
}

TEST(Process, ProgramInheritsNoDescriptorOfOurs) {
  const UniqueFd open_to_all(::open("/dev/null", O_RDONLY));  // as a library might leave it
  const auto done = run({"ls", {"/proc/self/fd"}, {}, {}});
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(done->out, "0\n1\n2\n3\n");  // 3 is the folder that it reads
}

// The first launch's error pipe in the second's long-lived child would block the first for good.
TEST(Process, ManyThreadsMayStartProgramsAtOnce) {
  std::atomic<int> failures = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&failures, i] {
      for (int round = 0; round < 25; ++round) {
        const auto done = run({"sh", {"-c", fmt::format("echo {} {}", i, round)}, {}, {}});
        if (!done || done->out != fmt::format("{} {}\n", i, round)) ++failures;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(failures, 0);
}

// Descriptors run out at every place in turn: each is an error with a next step, none an exception,
// none a run that lost its output.
TEST(Process, WithoutDescriptorsItIsAnErrorThatSaysWhatToRaise) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest_free = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get();
  int failed = 0;
  bool ran = false;
  for (int more = 0; more < 40 && !ran; ++more) {
    rlimit limit = before;
    limit.rlim_cur = static_cast<rlim_t>(lowest_free + more);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    const auto done = run({"echo", {"all"}, {}, {}});
    ::setrlimit(RLIMIT_NOFILE, &before);
    if (done && done->ok()) {
      EXPECT_EQ(done->out, "all\n");
      ran = true;
    } else if (!done) {
      ++failed;
      EXPECT_EQ(done.error().blame, Blame::kRig);
      EXPECT_THAT(done.error().hint, testing::HasSubstr("ulimit -n")) << done.error().what;
    }
  }
  EXPECT_TRUE(ran);
  EXPECT_GT(failed, 5);
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
