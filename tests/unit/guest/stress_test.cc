// SPDX-License-Identifier: Apache-2.0
// The load runs on the host as in a guest: what its exit code blames.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "base/process.h"

namespace rig::guest {
namespace {

Completed io_and_net(std::vector<std::string> args) {
  args.insert(args.begin(), {"--seconds", "1"});
  const auto done = run({RIG_IO_AND_NET, std::move(args), {}, {}});
  EXPECT_TRUE(done) << done.error().message();
  return done.value_or(Completed{.exit_code = -1, .out = {}, .err = {}});
}

TEST(IoAndNet, DiskThatCannotBeOpenedIsNoDamageByTheKernel) {
  const Completed done = io_and_net({"--disk", "/nonexistent/disk"});
  EXPECT_EQ(done.exit_code, 3);
  EXPECT_EQ(done.err, "io_and_net: open the disk: No such file or directory\n");
}

TEST(IoAndNet, DiskThatIsTooSmallIsNoDamageByTheKernel) {
  const auto folder = TempDir::create("io-and-net", "/var/tmp");  // O_DIRECT works, unlike on tmpfs
  ASSERT_TRUE(folder);
  const fs::path disk = folder->path() / "disk";
  ASSERT_TRUE(write_file_atomically(disk, "small"));
  const Completed done = io_and_net({"--disk", disk.string()});
  EXPECT_EQ(done.exit_code, 3) << done.err;
}

TEST(IoAndNet, NetworkAloneNeedsNoDisk) {
  const Completed done = io_and_net({"--net-only"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_NE(done.out.find("done: 0 reads, 0 writes"), std::string::npos) << done.out;
  EXPECT_EQ(done.out.find(" 0 datagrams"), std::string::npos) << done.out;
}

TEST(IoAndNet, DiskAloneSendsNothing) {
  const auto folder = TempDir::create("io-and-net", "/var/tmp");
  ASSERT_TRUE(folder);
  const fs::path disk = folder->path() / "disk";
  ASSERT_TRUE(write_file_atomically(disk, std::string(std::size_t{16} << 20, '\0')));
  const Completed done = io_and_net({"--disk-only", "--disk", disk.string()});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_NE(done.out.find(" 0 datagrams sent"), std::string::npos) << done.out;
  EXPECT_EQ(done.out.find("done: 0 reads"), std::string::npos) << done.out;
}

TEST(IoAndNet, EndsAfterSoMuchWork) {
  const Completed done = io_and_net({"--net-only", "--seconds", "600", "--work", "1000"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_TRUE(done.out.starts_with("io_and_net: 1000 units of work on ")) << done.out;
  constexpr std::string_view kSent = " datagrams sent, ";
  const std::size_t end = done.out.rfind(kSent);
  ASSERT_NE(end, std::string::npos) << done.out;
  const int received = std::atoi(done.out.c_str() + end + kSent.size());
  EXPECT_GE(received, 1000) << done.out;
  EXPECT_LT(received, 2000) << done.out;
}

TEST(IoAndNet, NetworkAloneAndADiskContradict) {
  EXPECT_EQ(io_and_net({"--net-only", "--disk-only"}).exit_code, 2);
  EXPECT_EQ(io_and_net({"--net-only", "--disk", "/dev/null"}).exit_code, 2);
  EXPECT_EQ(io_and_net({"--disk"}).exit_code, 2);
}

Completed fork_exec(const std::string& limits, std::vector<std::string> args) {
  std::vector<std::string> all = {"-c", limits + " exec \"$@\"", "bash", RIG_FORK_EXEC};
  all.insert(all.end(), args.begin(), args.end());
  const auto done = run({"bash", std::move(all), {}, {}});
  EXPECT_TRUE(done) << done.error().message();
  return done.value_or(Completed{.exit_code = -1, .out = {}, .err = {}});
}

TEST(ForkExec, EveryChildOfEveryWorkerIsHeard) {
  const Completed done = fork_exec("", {"--rounds", "16", "--workers", "3", "--seed", "7"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_NE(done.out.find("done: 48 children"), std::string::npos) << done.out;
}

TEST(ForkExec, TimeEndsItToo) {
  const Completed done = fork_exec("", {"--seconds", "1"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.out.find("done: 0 children"), std::string::npos) << done.out;
}

TEST(ForkExec, TheNewProgramAnswersAsItsParentExpects) {
  const Completed done = fork_exec("", {"--child", "7", "64"});
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_EQ(done.out.size(), sizeof(std::uint64_t));
  EXPECT_EQ(fork_exec("", {"--child", "7", "64"}).out, done.out);
  EXPECT_NE(fork_exec("", {"--child", "8", "64"}).out, done.out);
  EXPECT_EQ(fork_exec("", {"--child", "7", "65"}).exit_code, 2);
}

TEST(ForkExec, WantOfResourcesIsNoDamageByTheKernel) {
  const Completed done = fork_exec("ulimit -n 3;", {"--rounds", "1"});
  EXPECT_EQ(done.exit_code, 3);
  EXPECT_EQ(done.err, "fork_exec: make a pipe: Too many open files\n");
}

TEST(ForkExec, WrongOptionsAreRefused) {
  EXPECT_EQ(fork_exec("", {"--workers", "65"}).exit_code, 2);
  EXPECT_EQ(fork_exec("", {"--rounds", "0"}).exit_code, 2);
  EXPECT_EQ(fork_exec("", {"--rounds"}).exit_code, 2);
}

}  // namespace
}  // namespace rig::guest
