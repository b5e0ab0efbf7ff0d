// SPDX-License-Identifier: Apache-2.0
// The qemu backend with the real QEMU and kernels of a few bytes.
#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/text.h"
#include "fakes/tiny_kernel.h"
#include "vm/vm.h"

namespace rig::vm {
namespace {

using fakes::TinyEnd;
using testing::HasSubstr;

Deadline soon() {
  return Deadline::after(std::chrono::seconds(20));
}

// Our children that have not been reaped, by /proc: QEMU, as a rule.
std::vector<pid_t> children() {
  std::vector<pid_t> found;
  std::ifstream list(fmt::format("/proc/self/task/{}/children", ::gettid()));
  for (pid_t pid = 0; list >> pid;) found.push_back(pid);
  return found;
}

class RealQemuTest : public testing::Test {
 protected:
  VmConfig config(TinyEnd end, std::string_view text = "hello from a tiny kernel\r\n") {
    const fs::path kernel = folder_->path() / "kernel";
    EXPECT_TRUE(write_file_atomically(kernel, fakes::tiny_kernel(text, end)));
    VmConfig config;
    config.kernel = kernel;
    config.memory_bytes = 64 << 20;
    config.cpus = 1;
    config.accelerator = "tcg";
    config.folder = folder_->path();
    config.stop = stop_.get_token();
    return config;
  }
  std::unique_ptr<Vm> start(const VmConfig& config) {
    auto vm = vm::start("qemu", config);
    EXPECT_TRUE(vm) << vm.error().message();
    return vm ? std::move(*vm) : nullptr;
  }
  Event wait_for(Vm& vm, EventKind kind) {
    for (;;) {
      auto event = vm.next_event(soon());
      if (!event || !*event) {
        ADD_FAILURE() << (event ? "deadline" : event.error().message());
        return {};
      }
      if ((*event)->kind == kind) return **event;
    }
  }
  // 4096 bytes of the core written in this format.
  std::string core(Vm& vm, DumpFormat format) {
    const fs::path path = folder_->path() / "vmcore";
    const Status status = vm.dump(path, format, {}, soon());
    EXPECT_TRUE(status) << status.error().message();
    const auto file = MappedFile::open(path);
    if (!file) return {};
    size_ = file->bytes().size();
    return std::string(as_text(file->bytes()).substr(0, 4096));
  }

  Result<TempDir> folder_ = TempDir::create("real-qemu-test");
  std::stop_source stop_;
  std::uint64_t size_ = 0;
};

TEST_F(RealQemuTest, ConsoleLineIsAnEventAndInTheLog) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  EXPECT_EQ(wait_for(*vm, EventKind::kConsoleLine).text, "hello from a tiny kernel");
  EXPECT_EQ(*read_file(folder_->path() / "console.log"), "hello from a tiny kernel\n");
  const VmDescription description = vm->describe();
  EXPECT_EQ(description.accelerator, "tcg");
  EXPECT_THAT(description.backend_version, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+.*"));
}

TEST_F(RealQemuTest, PowerOffIsAnEvent) {
  const auto vm = start(config(TinyEnd::kPowerOff));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kPoweredOff);
}

TEST_F(RealQemuTest, ResetStopsTheGuestWithItsMemoryIntact) {
  const auto vm = start(config(TinyEnd::kReset));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kReset);
  wait_for(*vm, EventKind::kStopped);
  core(*vm, DumpFormat::kElf);
  const auto file = MappedFile::open(folder_->path() / "vmcore");
  ASSERT_TRUE(file);
  EXPECT_NE(as_text(file->bytes()).find("hello from a tiny kernel\r\n"), std::string_view::npos);
}

TEST_F(RealQemuTest, BothWaysOfDumpingGiveAStandardCore) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  ASSERT_TRUE(vm->stop(soon()));
  EXPECT_EQ(core(*vm, DumpFormat::kElf).substr(1, 3), "ELF");
  EXPECT_GE(size_, 64u << 20);
  EXPECT_EQ(core(*vm, DumpFormat::kKdumpZlib).substr(0, 8), "KDUMP   ");
  EXPECT_LT(size_, 16u << 20);
  ASSERT_TRUE(vm->resume(soon()));
}

// QEMU 7.2 crashes when asked too early.
TEST_F(RealQemuTest, DumpsMayFollowEachOtherAtOnce) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  for (int i = 0; i < 8; ++i) {
    core(*vm, i % 2 == 0 ? DumpFormat::kElf : DumpFormat::kKdumpZlib);
    ASSERT_FALSE(HasFailure()) << "dump " << i;
  }
}

// Debian's QEMU has neither.
TEST_F(RealQemuTest, FormatThatThisQemuLacksIsAnErrorWithAWayOut) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  for (const DumpFormat format : {DumpFormat::kKdumpLzo, DumpFormat::kKdumpSnappy}) {
    const auto status = vm->dump(folder_->path() / "vmcore", format, {}, soon());
    EXPECT_TRUE(status || status.error().hint.find("kdump-zlib") != std::string::npos);
    EXPECT_EQ(status.has_value(), fs::exists(folder_->path() / "vmcore"));
    fs::remove(folder_->path() / "vmcore");
  }
}

TEST_F(RealQemuTest, DiskIsThereAndLeavesNoFile) {
  VmConfig with_disk = config(TinyEnd::kSpin);
  with_disk.disk_bytes = {std::uint64_t{1} << 30, 16 << 20};
  const auto temporary = TempDir::create("real-qemu-tmp");
  ::setenv("TMPDIR", temporary->path().c_str(), 1);
  const auto vm = start(with_disk);
  ::unsetenv("TMPDIR");
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  EXPECT_TRUE(fs::is_empty(temporary->path()));
  EXPECT_THAT(vm->describe().command_line, HasSubstr("truncate -s 1073741824 disk0.img"));
}

TEST_F(RealQemuTest, KilledQemuIsAnEventThatTellsHow) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  ASSERT_EQ(children().size(), 1u);
  ::kill(children()[0], SIGKILL);
  EXPECT_THAT(wait_for(*vm, EventKind::kBackendExited).text, HasSubstr("killed by signal 9"));
  const auto after = vm->next_event(soon());
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().blame, Blame::kRig);
  EXPECT_FALSE(vm->dump(folder_->path() / "vmcore", DumpFormat::kElf, {}, soon()));
  EXPECT_FALSE(fs::exists(folder_->path() / "vmcore"));
}

TEST_F(RealQemuTest, CallInProgressFailsWhenQemuIsKilled) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  ::kill(children().at(0), SIGKILL);
  const auto info = vm->wait_for_agent(soon());
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().blame, Blame::kRig);
  EXPECT_THAT(info.error().what, HasSubstr("killed by signal 9"));
}

TEST_F(RealQemuTest, NothingIsLeftWhenTheMachineGoes) {
  const auto vm_config = config(TinyEnd::kSpin);
  { ASSERT_TRUE(start(vm_config)); }
  EXPECT_TRUE(children().empty());
}

TEST_F(RealQemuTest, RefusedArgumentsAreQuotedAndNothingIsLeft) {
  VmConfig bad = config(TinyEnd::kSpin);
  bad.cpus = 100000;
  const auto vm = vm::start("qemu", bad);
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().blame, Blame::kRig);
  EXPECT_THAT(vm.error().what, HasSubstr("exited with code 1 while starting"));
  EXPECT_THAT(vm.error().what, HasSubstr("CPU"));
  EXPECT_TRUE(children().empty());
}

TEST_F(RealQemuTest, MissingQemuNamesThePackage) {
  const std::string path = ::getenv("PATH");
  ::setenv("PATH", folder_->path().c_str(), 1);
  const auto vm = vm::start("qemu", config(TinyEnd::kSpin));
  ::setenv("PATH", path.c_str(), 1);
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().blame, Blame::kRig);
  EXPECT_THAT(vm.error().message(), HasSubstr("qemu-system-x86"));
}

TEST_F(RealQemuTest, UnknownBackendAndMissingKernelAreTheUsersFault) {
  EXPECT_EQ(vm::start("qemuu", config(TinyEnd::kSpin)).error().blame, Blame::kInput);
  VmConfig bad = config(TinyEnd::kSpin);
  bad.kernel = "/nonexistent";
  EXPECT_EQ(vm::start("qemu", bad).error().blame, Blame::kInput);
}

TEST_F(RealQemuTest, CancelEndsAWaitAtOnceAndTheMachineWithIt) {
  auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  const Stopwatch watch;
  std::thread user([this] { stop_.request_stop(); });
  const auto info = vm->wait_for_agent(soon());
  user.join();
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().blame, Blame::kCancelled);
  vm.reset();
  EXPECT_LT(watch.seconds(), 2.0);
  EXPECT_TRUE(children().empty());
}

TEST_F(RealQemuTest, GuestThatPrintsForEverNeitherBlocksNorFillsTheQueue) {
  const auto vm = start(config(TinyEnd::kPrint, std::string(79, '.') + "\n"));
  ASSERT_TRUE(vm);
  const auto info = vm->wait_for_agent(Deadline::after(std::chrono::milliseconds(700)));
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_FALSE(*info);
  EXPECT_TRUE(vm->stop(soon()));
  EXPECT_EQ(wait_for(*vm, EventKind::kConsoleLine).text, std::string(79, '.'));
}

// QEMU must not outlive us even when we get no chance to end it.
TEST_F(RealQemuTest, QemuDiesWithUsWhenWeAreKilled) {
  const auto vm_config = config(TinyEnd::kSpin);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    const auto vm = vm::start("qemu", vm_config);
    pid_t qemu = vm ? children().at(0) : 0;
    (void)!::write(ends[1], &qemu, sizeof qemu);
    ::kill(::getpid(), SIGKILL);
  }
  pid_t qemu = 0;
  ASSERT_EQ(::read(ends[0], &qemu, sizeof qemu), ssize_t(sizeof qemu));
  ::waitpid(pid, nullptr, 0);
  ASSERT_GT(qemu, 0);
  const Deadline deadline = soon();
  // Gone, or a zombie of whoever adopted it.
  const auto state = [&] {
    const auto stat = read_file(fmt::format("/proc/{}/stat", qemu));
    return stat ? stat->substr(stat->rfind(')') + 2, 1) : std::string("gone");
  };
  while (state() != "gone" && state() != "Z" && !deadline.expired()) sched_yield();
  EXPECT_THAT(state(), testing::AnyOf("gone", "Z"));
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace rig::vm
