// SPDX-License-Identifier: Apache-2.0
// Guests with every device that a scenario can ask for; the guest itself says what it has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;

constexpr std::size_t kCluster = 64 << 10;

void put(std::string& image, std::size_t at, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) {
    image[at + i] = static_cast<char>(value >> (8 * (bytes - 1 - i)));
  }
}

// An empty qcow2 image, version 2 (QEMU docs/interop/qcow2.txt): header, refcount table, refcount
// block, level 1 table, one cluster each; a level 1 table of one entry reaches 512 MiB.
std::string qcow2_image(std::uint64_t disk_bytes) {
  std::string image(4 * kCluster, '\0');
  image.replace(0, 4, "QFI\xfb");
  put(image, 4, 2, 4);
  put(image, 20, 16, 4);  // cluster_bits
  put(image, 24, disk_bytes, 8);
  put(image, 36, 1, 4);             // l1_size
  put(image, 40, 3 * kCluster, 8);  // l1_table_offset
  put(image, 48, kCluster, 8);      // refcount_table_offset
  put(image, 56, 1, 4);             // refcount_table_clusters
  put(image, kCluster, 2 * kCluster, 8);
  for (std::size_t cluster = 0; cluster < 4; ++cluster) {
    put(image, 2 * kCluster + 2 * cluster, 1, 2);
  }
  return image;
}

class DevicesTest : public testing::TestWithParam<const char*> {
 protected:
  // Runs guest/stress/devices with these arguments in this guest.
  Bench::Ended run(const std::string& guest, const std::string& args, unsigned seconds = 30) {
    const fs::path file = bench_.folder() / "devices.yaml";
    const std::string text = fmt::format(
        "name: devices\nsummary: s\narch: [x86_64, arm64]\nkernel: debian-6.1\nguest: {{{}}}\n"
        "variants: {{asks: {{expect: survive}}}}\n"
        "stress: {{program: guest/stress/devices, args: [{}], seconds: {}}}\n"
        "timeouts: {{boot: 5m, crash: 5m}}\n",
        guest, args, seconds);
    EXPECT_TRUE(write_file_atomically(file, text));
    return bench_.crashrig({"run", file.string(), "--arch", GetParam()});
  }
  void expect_there(const std::string& guest, const std::string& args) {
    const auto ended = run(guest, args);
    EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  }
  Bench bench_;
};

TEST_P(DevicesTest, EveryDiskIsThereAndImagesAreNeverWritten) {
  const std::string qcow2 = qcow2_image(48 << 20);
  const std::string raw = std::string("a raw image") + std::string((4 << 20) - 11, '\0');
  ASSERT_TRUE(write_file_atomically(bench_.folder() / "base.qcow2", qcow2));
  ASSERT_TRUE(write_file_atomically(bench_.folder() / "raw.img", raw));
  expect_there(
      "network: user, disks: [{size: 64M}, {image: base.qcow2}, {image: raw.img, bus: nvme}, "
      "{size: 32M, bus: megasas}, {image: base.qcow2, bus: scsi}, {size: 16M, bus: scsi}]",
      "--disk, vd=67108864, --disk, vd=50331648, --disk, nvme=4194304, --disk, sd=33554432, "
      "--disk, sd=50331648, --disk, sd=16777216, --nics, '1'");
  EXPECT_TRUE(read_file(bench_.folder() / "base.qcow2").value() == qcow2);
  EXPECT_TRUE(read_file(bench_.folder() / "raw.img").value() == raw);
  EXPECT_THAT(bench_.leftover_temporary_files(), testing::IsEmpty());
}

TEST_P(DevicesTest, SmallestGuestHasOneCpuAndNoNetworkCard) {
  expect_there("memory: 256M, cpus: 1", "--cpus, '1', --memory, '256', --nics, '0'");
}

TEST_P(DevicesTest, LargeGuestHasEightCpus) {
  expect_there("memory: 8G, cpus: 8", "--cpus, '8', --memory, '8192', --nics, '0'");
}

TEST_P(DevicesTest, GuestThatIsNotAsAskedIsTold) {
  const auto ended = run("memory: 512M", "--disk, vd=1", 1);
  EXPECT_EQ(ended.exit_code, 3) << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("devices: the disks are"));
}

// Before a kernel is fetched or a guest started.
TEST_P(DevicesTest, WhatQemuDoesNotHaveIsRefusedBeforeAnyAttempt) {
  const auto ended = run("devices: [edoo]", "");
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("did you mean 'edu'?"));
  EXPECT_THAT(ended.err, HasSubstr("asked of qemu-system-"));
  EXPECT_TRUE(!fs::exists(bench_.results()) || fs::is_empty(bench_.results()));
}

INSTANTIATE_TEST_SUITE_P(Archs, DevicesTest, testing::Values("x86_64", "arm64"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace rig::e2e
