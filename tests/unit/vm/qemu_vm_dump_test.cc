// SPDX-License-Identifier: Apache-2.0
#include "base/flattened.h"
#include "unit/vm/qemu_vm_fixture.h"

namespace rig::vm::qemu {
namespace {

using fakes::ScriptedQmp;
using fakes::soon;
using testing::HasSubstr;

// A flattened dump as QEMU writes it: "core" at 0, "dump" at 8.
std::string flattened(bool whole = true) {
  const auto big_endian = [](std::uint64_t value) {
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
    return bytes;
  };
  std::string stream("makedumpfile\0\0\0\0", 16);
  stream += big_endian(1) + big_endian(1);
  stream.resize(kFlattenedHeaderSize);
  stream += big_endian(8) + big_endian(4) + "dump" + big_endian(0) + big_endian(4) + "core";
  if (whole) stream += big_endian(~0ull) + big_endian(~0ull);
  return stream;
}

TEST_F(QemuVmTest, FlattenedStreamLandsInOrder) {
  start(dumping(flattened()));
  const fs::path core = folder_->path() / "vmcore";
  std::vector<double> fractions;
  const auto status = vm_->dump(
      core, DumpFormat::kKdumpZlib,
      [&](const Progress& progress) { fractions.push_back(progress.fraction.value_or(-1)); },
      soon());
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(*read_file(core), std::string("core\0\0\0\0dump", 12));
  EXPECT_EQ(fractions.front(), 0.0);
  EXPECT_EQ(fractions.back(), 1.0);
}

TEST_F(QemuVmTest, DumpReplacesAnOlderCore) {
  start(dumping(flattened()));
  const fs::path core = folder_->path() / "vmcore";
  ASSERT_TRUE(write_file_atomically(core, "old"));
  ASSERT_TRUE(vm_->dump(core, DumpFormat::kKdumpZlib, {}, soon()));
  EXPECT_EQ(fs::file_size(core), 12u);
}

TEST_F(QemuVmTest, TruncatedDumpIsAnErrorAndLeavesNoFile) {
  start(dumping(flattened(false)));
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kKdumpLzo, {}, soon());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().what, HasSubstr("before it was whole"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_->path()), {}), 1);  // console.log
}

TEST_F(QemuVmTest, DumpThatIsNoFlattenedStreamIsAnError) {
  start(dumping(std::string(8192, 'E')));
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kKdumpZlib, {}, soon());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().what, HasSubstr("not a flattened dump"));
}

TEST_F(QemuVmTest, FailureThatQemuReportsIsQuotedAndLeavesNoFile) {
  start(dumping(flattened(false), "dump: failed to save memory"));
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kKdumpZlib, {}, soon());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::kRig);
  EXPECT_THAT(status.error().what, HasSubstr("dump: failed to save memory"));
  EXPECT_FALSE(fs::exists(folder_->path() / "vmcore"));
}

TEST_F(QemuVmTest, FullDiskUnderAnElfDumpTellsWhatIsNeeded) {
  start(dumping("", "dump: failed to save memory: No space left on device"));
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kElf, {}, soon());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().what, HasSubstr("up to 536.9 MB"));
  EXPECT_THAT(status.error().what, HasSubstr("free now"));
  EXPECT_THAT(status.error().hint, HasSubstr("make room in"));
}

TEST_F(QemuVmTest, RefusedDumpGivesTheDescriptorBack) {
  start({{"dump-guest-memory", [](ScriptedQmp&, ScriptedQmp::Call& call) {
            return ScriptedQmp::refuse(call, "format is not available");
          }}});
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kKdumpSnappy, {}, soon());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().what, HasSubstr("format is not available"));
  vm_->resume(soon());
  ASSERT_TRUE(vm_->stop(soon()));
  EXPECT_THAT(qmp_->commands(), testing::Contains("closefd"));
}

TEST_F(QemuVmTest, StuckDumpEndsAtTheDeadline) {
  start({{"dump-guest-memory",
          [](ScriptedQmp&, ScriptedQmp::Call& call) { return ScriptedQmp::ok(call); }}});
  const auto status = vm_->dump(folder_->path() / "vmcore", DumpFormat::kKdumpZlib, {},
                                Deadline::after(std::chrono::milliseconds(250)));
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().what, HasSubstr("not done in time"));
  EXPECT_THAT(status.error().what, HasSubstr("536.9 MB"));
  EXPECT_THAT(status.error().hint, HasSubstr("-j"));
}

}  // namespace
}  // namespace rig::vm::qemu
