// SPDX-License-Identifier: Apache-2.0
// A fault of the rig is never a verdict on the kernel, and leaves nothing behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/confinement.h"
#include "base/file.h"
#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::vector<std::string> kOneFaulty = {
    "run",       "late-completion", "--arch",   "x86_64", "--detector", "none",
    "--variant", "faulty",          "--repeat", "1",      "--retries",  "0"};

std::vector<std::string> one_fixed(const fs::path& scenario) {
  return {"run",       scenario.string(), "--arch",   "x86_64", "--detector", "none",
          "--variant", "fixed",           "--repeat", "1",      "--retries",  "0"};
}

void expect_rig_error(const Bench& bench, const Bench::Ended& ended, const std::string& says) {
  EXPECT_EQ(ended.exit_code, 3) << ended.out << ended.err;
  EXPECT_THAT(ended.out + ended.err, HasSubstr(says));
  EXPECT_THAT(ended.out, Not(HasSubstr("other-crash")));
  EXPECT_THAT(bench.leftover_processes(), IsEmpty());
  EXPECT_THAT(bench.leftover_temporary_files(), IsEmpty());
}

// Acts once, as soon as the output mentions `phase`.
Bench::OnLine when(std::string phase, std::function<void(int pid)> act) {
  auto done = std::make_shared<bool>(false);
  return [=](int pid, std::string_view line) {
    if (*done || line.find(phase) == std::string_view::npos) return;
    *done = true;
    act(pid);
  };
}

TEST(RigFaults, MissingQemuNamesThePackage) {
  Bench bench;
  const fs::path tools = bench.folder() / "bin";  // everything that is needed but QEMU
  fs::create_directories(tools);
  for (const char* folder : {"/usr/bin", "/usr/sbin"}) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename();
      std::error_code taken;
      if (!name.starts_with("qemu")) fs::create_symlink(entry.path(), tools / name, taken);
    }
  }
  bench.set_environment("PATH", tools.string());
  expect_rig_error(bench, bench.crashrig(kOneFaulty), "qemu-system-x86");
}

Bench::OnLine kill_qemu_when(const Bench& bench, std::string phase) {
  return when(std::move(phase), [&bench](int) {
    const int qemu = bench.find_process("/usr/bin/qemu-system");
    ASSERT_NE(qemu, 0);
    ::kill(qemu, SIGKILL);
  });
}

TEST(RigFaults, QemuKilledWhileTheLoadRunsIsARigError) {
  Bench bench;
  expect_rig_error(bench, bench.crashrig(kOneFaulty, kill_qemu_when(bench, "wait")), "rig-error");
}

TEST(RigFaults, AnAttemptThatTheRigFailedIsMadeAgain) {
  Bench bench;
  auto arguments = kOneFaulty;
  arguments.back() = "1";
  const auto ended = bench.crashrig(arguments, kill_qemu_when(bench, "inject"));
  EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("tried again, because the rig failed"));
  EXPECT_THAT(ended.out, HasSubstr("The rig failed 1 attempt at first and made it again"));
  EXPECT_THAT(bench.leftover_processes(), IsEmpty());
}

TEST(RigFaults, SilentAgentIsARigErrorWithinTheBootTimeout) {
  Bench bench;
  const fs::path file =
      bench.scenario({{"{boot: 60s,", "{boot: 5s,"},
                      {"cmdline: [", "cmdline: [module_blacklist=virtio_console, "}});
  const auto ended = bench.crashrig(one_fixed(file));
  expect_rig_error(bench, ended, "agent");
}

TEST(RigFaults, KernelThatDoesNotBootIsARigErrorThatQuotesIt) {
  Bench bench;
  const fs::path file =
      bench.scenario({{"cmdline: [", "cmdline: [rdinit=/absent, root=/dev/absent, "}});
  const auto ended = bench.crashrig(one_fixed(file));
  expect_rig_error(bench, ended, "did not boot");
}

TEST(RigFaults, FullDiskWhileDumpingSaysSoAndLeavesNoHalfCore) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small file system";
  Bench bench;
  fs::create_directories(bench.results());
  ASSERT_EQ(::mount("crashrig-test", bench.results().c_str(), "tmpfs", 0, "size=6m"), 0);
  const auto ended = bench.crashrig(kOneFaulty);
  for (const auto& entry : fs::recursive_directory_iterator(bench.results())) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("vmcore")));
  }
  ::umount(bench.results().c_str());
  expect_rig_error(bench, ended, "No space left");
}

// A guest that breaks out of it finds an account that owns nothing.
TEST(RigFaults, QemuOfRootRunsAsNobody) {
  Bench bench;
  std::string status;
  const auto look = [&](int) {
    const int qemu = bench.find_process("/usr/bin/qemu-system");
    status = read_file(fmt::format("/proc/{}/status", qemu)).value_or("");
  };
  EXPECT_EQ(bench.crashrig(kOneFaulty, when("wait", look)).exit_code, 0);
  const uid_t user = ::geteuid() == 0 ? unprivileged_account()->user : ::geteuid();
  EXPECT_THAT(status, HasSubstr(fmt::format("\nUid:\t{0}\t{0}\t{0}\t{0}\n", user)));
  EXPECT_THAT(status, HasSubstr("\nNoNewPrivs:\t1\n"));
  EXPECT_THAT(status, HasSubstr("\nSeccomp:\t2\n"));
}

TEST(RigFaults, InterruptEndsEverythingInOrder) {
  for (const char* phase : {"boot", "wait", "capture"}) {
    SCOPED_TRACE(phase);
    Bench bench;
    const auto interrupt = [](int pid) { ::kill(pid, SIGINT); };
    const auto ended = bench.crashrig(kOneFaulty, when(phase, interrupt));
    EXPECT_EQ(ended.exit_code, 130) << ended.err;
    EXPECT_THAT(bench.leftover_processes(), IsEmpty());
    EXPECT_THAT(bench.leftover_temporary_files(), IsEmpty());
  }
}

TEST(RigFaults, GuestDiesWithAKilledOrchestrator) {
  Bench bench;
  const auto ended =
      bench.crashrig(kOneFaulty, when("wait", [](int pid) { ::kill(pid, SIGKILL); }));
  EXPECT_EQ(ended.exit_code, 128 + SIGKILL);
  EXPECT_THAT(bench.leftover_processes(), IsEmpty());
}

}  // namespace
}  // namespace rig::e2e
