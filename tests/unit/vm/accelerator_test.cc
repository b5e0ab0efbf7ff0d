// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/accelerator.h"

#include <gmock/gmock.h>

#include "base/process.h"
#include "vm/qemu/probe_guest.h"

namespace rig::vm::qemu {
namespace {

using testing::HasSubstr;

class AcceleratorTest : public testing::Test {
 protected:
  AcceleratorTest() {
    host_.device = "/dev/null";  // can be opened
    host_.machine = "x86_64";
    host_.boot_id = "boot-1";
    host_.qemu = "/usr/bin/qemu 1 2";
    host_.cache = folder_->path();
    host_.probe = [this]() -> Result<std::optional<std::string>> {
      ++probes_;
      return failure_;
    };
  }
  Result<Accelerator> choose(std::string_view wanted = "auto") {
    return choose_accelerator(**machine_for(Arch::kX86_64), wanted, host_);
  }

  Result<TempDir> folder_ = TempDir::create("accelerator-test");
  AcceleratorHost host_;
  std::optional<std::string> failure_;
  int probes_ = 0;
};

TEST_F(AcceleratorTest, KvmIsTakenOnceAGuestRanInIt) {
  const auto chosen = choose();
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->name, "kvm");
  EXPECT_EQ(probes_, 1);
}

TEST_F(AcceleratorTest, FailedProbeFallsBackToTcgAndSaysWhy) {
  failure_ = "a tiny guest\nhangs in it";
  const auto chosen = choose();
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->name, "tcg");
  EXPECT_EQ(chosen->reason, "/dev/null is there, but a tiny guest hangs in it");
}

TEST_F(AcceleratorTest, AnswerIsRememberedWithItsReason) {
  failure_ = "it hangs";
  const auto first = choose();
  const auto second = choose();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(probes_, 1);
  EXPECT_EQ(second->name, "tcg");
  EXPECT_THAT(second->reason, testing::StartsWith(first->reason));
  EXPECT_THAT(second->reason, HasSubstr("delete " + (host_.cache / "accelerator-x86_64").string()));
}

TEST_F(AcceleratorTest, AnotherBootOrAnotherQemuIsProbedAgain) {
  ASSERT_TRUE(choose());
  host_.boot_id = "boot-2";
  ASSERT_TRUE(choose());
  host_.qemu = "/usr/bin/qemu 9 9";
  ASSERT_TRUE(choose());
  EXPECT_EQ(probes_, 3);
}

TEST_F(AcceleratorTest, DamagedCacheIsProbedAgain) {
  ASSERT_TRUE(choose());
  ASSERT_TRUE(write_file_atomically(host_.cache / "accelerator-x86_64", "boot-1\nrubbish"));
  ASSERT_TRUE(choose());
  EXPECT_EQ(probes_, 2);
}

TEST_F(AcceleratorTest, NoDeviceNeedsNoProbe) {
  host_.device = "/nonexistent/kvm";
  const auto chosen = choose();
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->name, "tcg");
  EXPECT_THAT(chosen->reason, HasSubstr("No such file"));
  EXPECT_EQ(probes_, 0);
}

TEST_F(AcceleratorTest, ForeignArchitectureNeedsNoProbe) {
  host_.machine = "aarch64";
  const auto chosen = choose();
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->name, "tcg");
  EXPECT_EQ(probes_, 0);
}

TEST_F(AcceleratorTest, ForcedChoiceIsNotQuestioned) {
  EXPECT_EQ(choose("kvm")->name, "kvm");
  EXPECT_EQ(choose("tcg")->name, "tcg");
  EXPECT_EQ(probes_, 0);
}

TEST_F(AcceleratorTest, UnknownNameIsTheUsersAndGetsASuggestion) {
  const auto chosen = choose("kvn");
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().blame, Blame::kInput);
  EXPECT_THAT(chosen.error().what, HasSubstr("kvm"));
}

TEST_F(AcceleratorTest, CancelledProbeIsNotRemembered) {
  host_.probe = []() -> Result<std::optional<std::string>> {
    return fail(Blame::kCancelled, "stopped");
  };
  const auto chosen = choose();
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().blame, Blame::kCancelled);
  EXPECT_FALSE(fs::exists(host_.cache / "accelerator-x86_64"));
}

TEST_F(AcceleratorTest, ProbeThatCouldNotRunProvesNothing) {
  host_.probe = [this]() -> Result<std::optional<std::string>> {
    ++probes_;
    return fail(Blame::kRig, "cannot run qemu: Too many open files");
  };
  const auto chosen = choose();
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->name, "tcg");
  EXPECT_EQ(chosen->reason, "KVM could not be tried: cannot run qemu: Too many open files");
  ASSERT_TRUE(choose());
  EXPECT_EQ(probes_, 2);
}

// A program in QEMU's place, run as the probe does.
class ProbeTest : public testing::Test {
 protected:
  Result<std::optional<std::string>> probe(std::string_view script) {
    const fs::path program = folder_->path() / "qemu";
    EXPECT_TRUE(write_file_atomically(program, fmt::format("#!/bin/sh\n{}\n", script)));
    fs::permissions(program, fs::perms::owner_all);
    auto host = this_host(**machine_for(Arch::kX86_64), program, {});
    EXPECT_TRUE(host) << host.error().message();
    return host->probe();
  }

  Result<TempDir> folder_ = TempDir::create("probe-test");
};

TEST_F(ProbeTest, GuestThatHangsIsAnAnswer) {
  const auto answer = probe("sleep 60");
  ASSERT_TRUE(answer && *answer);
  EXPECT_THAT(**answer, HasSubstr("hangs"));
}

TEST_F(ProbeTest, RefusalIsAnAnswerThatQuotesOneShortLine) {
  const auto answer = probe("printf 'no \\033[1mKVM %0300d\\nmore\\n' 0 >&2; exit 1");
  ASSERT_TRUE(answer && *answer);
  EXPECT_THAT(**answer, HasSubstr("failed in it: no  [1mKVM 000"));
  EXPECT_THAT(**answer, testing::Not(HasSubstr("more")));
  EXPECT_LT((*answer)->size(), 160u);
}

TEST_F(ProbeTest, QemuThatCannotBeRunIsNoAnswer) {
  const fs::path missing = folder_->path() / "no-qemu";
  const auto host = this_host(**machine_for(Arch::kX86_64), missing, {});
  ASSERT_TRUE(host);
  EXPECT_FALSE(host->probe());
}

// TCG runs them, so that what does not is not to be trusted with a kernel.
TEST(ProbeGuests, EveryOneEndsAsItShouldUnderTcg) {
  for (const Arch arch : {Arch::kX86_64, Arch::kArm64}) {
    const Machine& machine = **machine_for(arch);
    const ProbeGuest guest = probe_guest(arch);
    const auto folder = TempDir::create("probe-test");
    ASSERT_TRUE(folder);
    const fs::path firmware = folder->path() / "probe.rom";
    ASSERT_TRUE(write_file_atomically(firmware, guest.firmware));
    Command command{.program = std::string(machine.binary),
                    .args = {"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                             "-machine", std::string(machine.type), "-accel", "tcg", "-cpu",
                             std::string(machine.cpu_tcg), "-m", "16", "-bios", firmware.string()},
                    .directory = {},
                    .environment = {}};
    command.args.insert(command.args.end(), guest.devices.begin(), guest.devices.end());
    const auto done = run(command, {.deadline = Deadline::after(std::chrono::seconds(20))});
    ASSERT_TRUE(done) << to_string(arch) << ": " << done.error().message();
    EXPECT_EQ(done->exit_code, guest.exit_code) << to_string(arch) << done->err;
  }
}

// The real thing, whatever this machine has: it must come to an answer in time.
TEST(Accelerator, ThisHostIsDecidedWithinThreeSeconds) {
  const Machine& machine = **machine_for(Arch::kX86_64);
  const auto cache = TempDir::create("accelerator-test");
  ASSERT_TRUE(cache);
  auto host = this_host(machine, "/usr/bin/qemu-system-x86_64", {});
  ASSERT_TRUE(host) << host.error().message();
  host->cache = cache->path();
  const Stopwatch watch;
  const auto chosen = choose_accelerator(machine, "auto", *host);
  ASSERT_TRUE(chosen) << chosen.error().message();
  EXPECT_LT(watch.seconds(), 3.0);
  EXPECT_FALSE(chosen->reason.empty());
  RecordProperty("accelerator", chosen->name + ": " + chosen->reason);
}

}  // namespace
}  // namespace rig::vm::qemu
