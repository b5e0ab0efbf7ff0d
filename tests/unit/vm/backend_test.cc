// SPDX-License-Identifier: Apache-2.0
// What every backend must do, with a guest of every architecture. Runs over all of backends().
#include <stdlib.h>

#include "unit/vm/real_machine.h"

namespace rig::vm {
namespace {

using fakes::TinyEnd;
using testing::HasSubstr;

using BackendAndArch = std::pair<std::string, Arch>;

// One program has the tests of one backend (RIG_TEST_BACKEND): not every machine has them all.
class BackendTest : public RealMachineTest, public testing::WithParamInterface<BackendAndArch> {
 protected:
  BackendTest() { std::tie(backend_, arch_) = GetParam(); }
  void SetUp() override {
    const auto there = identify(backend_, config(TinyEnd::kSpin));
    ASSERT_TRUE(there) << there.error().message();
  }
  bool keeps_resets() const {
    for (const Backend& backend : backends()) {
      if (backend.name == backend_) return backend.keeps_resets;
    }
    return false;
  }
};

std::vector<BackendAndArch> all() {
  std::vector<BackendAndArch> pairs;
  for (const Backend& backend : backends()) {
    if (backend.name != RIG_TEST_BACKEND) continue;
    for (const Arch arch : {Arch::kX86_64, Arch::kArm64}) pairs.emplace_back(backend.name, arch);
  }
  return pairs;
}

INSTANTIATE_TEST_SUITE_P(All, BackendTest, testing::ValuesIn(all()), [](const auto& test) {
  return fmt::format("{}_{}", test.param.first, to_string(test.param.second));
});

TEST_P(BackendTest, EveryArchitectureHasItsConsole) {
  EXPECT_TRUE(check_arch(backend_, arch_));
  EXPECT_EQ(console_device(backend_, arch_).value(), arch_ == Arch::kArm64 ? "ttyAMA0" : "ttyS0");
}

TEST(Backends, UnknownOneIsTheUsersAndGetsASuggestion) {
  const auto status = check_arch("qemo", Arch::kX86_64);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kInput);
  EXPECT_THAT(status.error().what, HasSubstr("qemu"));
}

TEST_P(BackendTest, ConsoleLineIsAnEventAndInTheLog) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  EXPECT_EQ(wait_for(*vm, EventKind::kConsoleLine).text, "hello from a tiny kernel");
  EXPECT_EQ(*read_file(folder_->path() / "console.log"), "hello from a tiny kernel\n");
  const VmDescription description = vm->describe();
  EXPECT_EQ(description.accelerator, "tcg");
  EXPECT_THAT(description.backend_version, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+.*"));
}

TEST_P(BackendTest, PowerOffIsAnEvent) {
  const auto vm = start(config(TinyEnd::kPowerOff));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kPoweredOff);
}

// Where a backend cannot keep it, nothing must pass for its memory.
TEST_P(BackendTest, ResetStopsTheGuestWithItsMemoryIntact) {
  const auto vm = start(config(TinyEnd::kReset));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kReset);
  wait_for(*vm, EventKind::kStopped);
  if (!keeps_resets()) {
    const auto status = vm->dump(folder_->path() / "vmcore", DumpFormat::kElf, {}, eventually());
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().blame, Blame::kRig);
    EXPECT_FALSE(fs::exists(folder_->path() / "vmcore"));
    return;
  }
  core(*vm, DumpFormat::kElf);
  const auto file = MappedFile::open(folder_->path() / "vmcore");
  ASSERT_TRUE(file);
  EXPECT_NE(as_text(file->bytes()).find("hello from a tiny kernel\r\n"), std::string_view::npos);
}

TEST_P(BackendTest, BothWaysOfDumpingGiveAStandardCore) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  ASSERT_TRUE(vm->stop(eventually()));
  EXPECT_EQ(core(*vm, DumpFormat::kElf).substr(1, 3), "ELF");
  EXPECT_GE(size_, 64u << 20);
  EXPECT_EQ(core(*vm, DumpFormat::kKdumpZlib).substr(0, 8), "KDUMP   ");
  EXPECT_LT(size_, 16u << 20);
  const Status resumed = vm->resume(eventually());
  EXPECT_TRUE(resumed) << resumed.error().message();
}

TEST_P(BackendTest, NmiIsSentWhereTheMachineHasThem) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  ASSERT_TRUE(vm->stop(eventually()));
  const auto sent = vm->inject_nmi(eventually());
  ASSERT_TRUE(sent) << sent.error().message();
  EXPECT_EQ(*sent, arch_ == Arch::kX86_64);
}

// QEMU 7.2 crashes when asked too early.
TEST_P(BackendTest, DumpsMayFollowEachOtherAtOnce) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  for (int i = 0; i < 8; ++i) {
    core(*vm, i % 2 == 0 ? DumpFormat::kElf : DumpFormat::kKdumpZlib);
    ASSERT_FALSE(HasFailure()) << "dump " << i;
  }
}

// Debian's QEMU has neither.
TEST_P(BackendTest, FormatThatIsNotThereIsAnErrorWithAWayOut) {
  const auto vm = start(config(TinyEnd::kSpin));
  ASSERT_TRUE(vm);
  for (const DumpFormat format : {DumpFormat::kKdumpLzo, DumpFormat::kKdumpSnappy}) {
    const auto status = vm->dump(folder_->path() / "vmcore", format, {}, eventually());
    EXPECT_TRUE(status || status.error().hint.find("kdump-zlib") != std::string::npos);
    EXPECT_EQ(status.has_value(), fs::exists(folder_->path() / "vmcore"));
    fs::remove(folder_->path() / "vmcore");
  }
}

TEST_P(BackendTest, DiskIsThereAndLeavesNoFile) {
  VmConfig with_disk = config(TinyEnd::kSpin);
  with_disk.disks = {{.bytes = std::uint64_t{1} << 30}, {.bytes = 16 << 20}};
  const auto temporary = TempDir::create("real-qemu-tmp");
  ::setenv("TMPDIR", temporary->path().c_str(), 1);
  const auto vm = start(with_disk);
  ::unsetenv("TMPDIR");
  ASSERT_TRUE(vm);
  wait_for(*vm, EventKind::kConsoleLine);
  EXPECT_TRUE(fs::is_empty(temporary->path()));
  EXPECT_THAT(vm->describe().command_line, HasSubstr("truncate -s 1073741824 disk0.img"));
}

TEST_P(BackendTest, GuestThatPrintsForEverNeitherBlocksNorFillsTheQueue) {
  const auto vm = start(config(TinyEnd::kPrint, std::string(79, '.') + "\n"));
  ASSERT_TRUE(vm);
  const auto info = vm->wait_for_agent(Deadline::after(std::chrono::milliseconds(700)));
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_FALSE(*info);
  EXPECT_TRUE(vm->stop(eventually()));
  EXPECT_EQ(wait_for(*vm, EventKind::kConsoleLine).text, std::string(79, '.'));
}

}  // namespace
}  // namespace rig::vm
