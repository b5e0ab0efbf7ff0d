// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/command_line.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/file.h"

namespace rig::vm::qemu {
namespace {

using testing::HasSubstr;

VmConfig config() {
  VmConfig config;
  config.kernel = "/k/vmlinux";
  config.initramfs = "/k/initramfs.cpio";
  config.cmdline = "console=ttyS0 panic=-1 oops=panic";
  config.disks = {{.bytes = 64 << 20}};
  return config;
}

const Machine& x86() {
  return **machine_for(Arch::kX86_64);
}
const Machine& arm64() {
  return **machine_for(Arch::kArm64);
}

Wiring wiring() {
  return {.kernel = "/proc/self/fd/9",
          .initramfs = "/proc/self/fd/10",
          .monitor = "socket,id=monitor,fd=5",
          .console = "socket,id=console,fd=6",
          .agent = "socket,id=agent,fd=7",
          .disks = {"/proc/self/fd/8"}};
}

// One option with its value per line. CRASHRIG_UPDATE=1 rewrites the file.
void expect_golden(const std::string& name, const std::vector<std::string>& args) {
  std::string text;
  for (const std::string& arg : args) {
    text += arg.starts_with("-") && !text.empty() ? "\n" : text.empty() ? "" : " ";
    text += arg;
  }
  text += "\n";
  const fs::path path = fs::path(RIG_TEST_DATA) / "vm" / name;
  if (std::getenv("CRASHRIG_UPDATE") != nullptr) {
    ASSERT_TRUE(write_file_atomically(path, text));
  }
  const auto golden = read_file(path);
  ASSERT_TRUE(golden) << golden.error().message();
  EXPECT_EQ(text, *golden);
}

TEST(CommandLine, MatchesTheGoldenTextUnderTcg) {
  expect_golden("x86_64-tcg.args", command_line(x86(), config(), "tcg", wiring()));
  VmConfig image = config();
  image.kernel = "/k/vmlinuz";
  image.cmdline = "console=ttyAMA0 panic=-1 oops=panic";
  expect_golden("arm64-tcg.args", command_line(arm64(), image, "tcg", wiring()));
}

// QEMU 7.2 writes cores of SVE CPUs whose memory is not where their headers say.
TEST(CommandLine, Arm64GuestsHaveNoSveUnderTcg) {
  EXPECT_THAT(std::string(arm64().cpu_tcg), testing::AnyOf("cortex-a57", HasSubstr("sve=off")));
}

TEST(CommandLine, MachineWithoutAPanicDeviceHasNone) {
  for (const std::string& arg : command_line(arm64(), config(), "tcg", wiring())) {
    EXPECT_THAT(arg, testing::Not(HasSubstr("pvpanic")));
    EXPECT_FALSE(arg.empty());
  }
}

TEST(CommandLine, KvmTakesTheHostsCpu) {
  const auto args = command_line(x86(), config(), "kvm", wiring());
  const auto cpu = std::find(args.begin(), args.end(), "-cpu");
  ASSERT_NE(cpu, args.end());
  EXPECT_EQ(*(cpu + 1), "host");
}

TEST(CommandLine, ByHandNeedsNothingOfOurs) {
  VmConfig quoted = config();
  quoted.cmdline = "console=ttyS0 dyndbg='file x +p'";
  const std::string line = command_line_by_hand(x86(), quoted, "tcg");
  EXPECT_THAT(line, testing::StartsWith("truncate -s 67108864 disk0.img && qemu-system-x86_64 "));
  EXPECT_THAT(line, HasSubstr("file=disk0.img"));
  EXPECT_THAT(line, HasSubstr(R"(-append 'console=ttyS0 dyndbg='\''file x +p'\''')"));
  EXPECT_THAT(line, HasSubstr("path=qmp.sock,server=on,wait=off"));
  EXPECT_THAT(line, testing::Not(HasSubstr("fd=")));
  EXPECT_THAT(line, testing::Not(testing::EndsWith(" -S")));
}

TEST(CommandLine, CommaInADiskPathDoesNotEndIt) {
  Wiring odd = wiring();
  odd.disks = {"/tmp/a,b.img"};
  const auto args = command_line(x86(), config(), "tcg", odd);
  EXPECT_THAT(args, testing::Contains(HasSubstr("file=/tmp/a,,b.img")));
}

TEST(CommandLine, EveryDeviceOfTheScenarioIsInTheGoldenText) {
  using scenario::DiskBus;
  VmConfig all = config();
  all.cpus = 8;
  all.disks = {{.bytes = 64 << 20},
               {.image = "/i/base.qcow2", .format = "qcow2", .bus = DiskBus::kNvme},
               {.bytes = 32 << 20, .bus = DiskBus::kMegasas},
               {.image = "/i/data,1.img", .format = "raw", .bus = DiskBus::kScsi},
               {.bytes = 16 << 20, .bus = DiskBus::kScsi}};
  all.network = scenario::Network::kUser;
  all.hardware = {.cpu = "max,la57=off",
                  .machine = {{"kernel-irqchip", "split"}, {"hpet", "off"}},
                  .devices = {"intel-iommu,intremap=on", "edu"}};
  Wiring wires = wiring();
  wires.disks = {"/proc/self/fd/8", "/i/base.qcow2", "/proc/self/fd/9", "/i/data,1.img",
                 "/proc/self/fd/10"};
  expect_golden("x86_64-all-devices.args", command_line(x86(), all, "tcg", wires));
}

TEST(CommandLine, WithoutANetworkThereIsNoNic) {
  for (const std::string& arg : command_line(x86(), config(), "tcg", wiring())) {
    EXPECT_THAT(arg,
                testing::Not(testing::AnyOf(HasSubstr("virtio-net"), "-netdev", "-nic", "-net")));
  }
}

TEST(CommandLine, ByHandMakesEmptyDisksButNoImages) {
  VmConfig two = config();
  two.disks.push_back({.image = "/i/base.qcow2", .format = "qcow2"});
  const std::string line = command_line_by_hand(x86(), two, "tcg");
  EXPECT_THAT(line, HasSubstr("truncate -s 67108864 disk0.img && qemu-system"));
  EXPECT_THAT(line, HasSubstr("format=qcow2,cache=unsafe,discard=unmap,snapshot=on,"
                              "file=/i/base.qcow2"));
}

TEST(CommandLine, ByHandMakesTheFileSystemOfADisk) {
  VmConfig formatted = config();
  formatted.disks = {{.bytes = 64 << 20, .format = std::string(scenario::kExt4)}};
  const std::string line = command_line_by_hand(x86(), formatted, "tcg");
  EXPECT_THAT(line, testing::StartsWith(
                        "truncate -s 67108864 disk0.img && /usr/sbin/mke2fs -q -F -t ext4 "));
  EXPECT_THAT(line, HasSubstr(" disk0.img && qemu-system-x86_64 "));
  EXPECT_THAT(line, HasSubstr("format=raw,"));
}

TEST(Machine, EveryArchitectureHasARowOfItsOwn) {
  for (const Arch arch : {Arch::kX86_64, Arch::kArm64}) {
    const auto machine = machine_for(arch);
    ASSERT_TRUE(machine) << machine.error().message();
    EXPECT_EQ((*machine)->arch, arch);
    EXPECT_FALSE((*machine)->console.empty());
    EXPECT_FALSE((*machine)->debian_package.empty());
  }
}

}  // namespace
}  // namespace rig::vm::qemu
