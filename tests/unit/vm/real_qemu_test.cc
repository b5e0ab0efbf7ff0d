// SPDX-License-Identifier: Apache-2.0
// The qemu backend and its process: how it starts, ends and dies.
#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <thread>

#include "base/text.h"
#include "unit/vm/real_machine.h"

namespace rig::vm {
namespace {

using fakes::TinyEnd;
using testing::HasSubstr;

// Our children that have not been reaped, by /proc: QEMU, as a rule.
std::vector<pid_t> children() {
  std::vector<pid_t> found;
  std::ifstream list(fmt::format("/proc/self/task/{}/children", ::gettid()));
  for (pid_t pid = 0; list >> pid;) found.push_back(pid);
  return found;
}

class RealQemuTest : public RealMachineTest {};

TEST_F(RealQemuTest, KilledQemuIsAnEventThatTellsHow) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  ASSERT_EQ(children().size(), 1u);
  ::kill(children()[0], SIGKILL);
  EXPECT_THAT(wait_for(*vm, EventKind::kBackendExited).text, HasSubstr("killed by signal 9"));
  const auto after = vm->next_event(eventually());
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().blame, Blame::kRig);
  EXPECT_FALSE(vm->dump(folder_->path() / "vmcore", DumpFormat::kElf, {}, eventually()));
  EXPECT_FALSE(fs::exists(folder_->path() / "vmcore"));
}

TEST_F(RealQemuTest, CallInProgressFailsWhenQemuIsKilled) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  ::kill(children().at(0), SIGKILL);
  const auto info = vm->wait_for_agent(eventually());
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().blame, Blame::kRig);
  EXPECT_THAT(info.error().what, HasSubstr("killed by signal 9"));
}

class RealBreakpointTest : public RealMachineTest, public testing::WithParamInterface<Arch> {};
INSTANTIATE_TEST_SUITE_P(Arch, RealBreakpointTest, testing::Values(Arch::kX86_64, Arch::kArm64),
                         [](const auto& test) { return std::string(to_string(test.param)); });

TEST_P(RealBreakpointTest, GuestStopsThereAndGoesOnWithoutIt) {
  arch_ = GetParam();
  VmConfig machine = config(TinyEnd::kPrint);
  machine.breakpoints = true;
  const auto vm = start(machine);
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  // Where the tiny kernel begins its line anew.
  const VirtAddr address{arch_ == Arch::kX86_64 ? 0x100200u : 0x40080000u};
  ASSERT_TRUE(vm->set_breakpoints(std::array{address}, eventually()));
  const Event hit = wait_for(*vm, EventKind::kBreakpoint);
  EXPECT_EQ(hit.address, address);
  EXPECT_EQ(hit.cpu, 0u);
  EXPECT_FALSE(core(*vm, DumpFormat::kElf).empty());
  ASSERT_TRUE(vm->remove_breakpoint(address, eventually()));
  while (*vm->next_event(Deadline::after(std::chrono::milliseconds(50)))) {
  }
  ASSERT_TRUE(vm->resume(eventually()));
  wait_for(*vm, EventKind::kConsoleLine);
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
  const auto info = vm->wait_for_agent(eventually());
  user.join();
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().blame, Blame::kCancelled);
  vm.reset();
  EXPECT_LT(watch.seconds(), 2.0);
  EXPECT_TRUE(children().empty());
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
  const Deadline deadline = eventually();
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
