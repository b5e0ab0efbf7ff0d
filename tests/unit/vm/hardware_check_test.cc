// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/hardware_check.h"

#include <gmock/gmock.h>

#include <set>

#include "vm/qemu/capabilities.h"

namespace rig::vm::qemu {
namespace {

using testing::HasSubstr;

Capabilities known() {
  Capabilities all;
  all.binary = "qemu-system-x86_64";
  all.version = "7.2.22";
  all.cpus = {{"max", "max-x86_64-cpu"}, {"Nehalem", "Nehalem-x86_64-cpu"}};
  all.machine = "pc-q35-7.2";
  all.max_cpus = 288;
  all.machine_options = {"smm", "hpet"};
  all.devices = {"intel-iommu", "virtio-rng-pci", "edu", "silent"};
  all.absent_features = {"x2apic"};
  all.properties["max-x86_64-cpu"] = {{"x2apic", "la57", "sse4-1", "phys-bits"}};
  all.properties["intel-iommu"] = {{"intremap", "eim"}};
  all.properties["virtio-rng-pci"] = {{"max-bytes"}};
  all.properties["edu"] = std::vector<std::string>{};
  return all;
}

class HardwareCheck : public testing::Test {
 protected:
  // What is wrong with the machine as it is asked for; empty: nothing.
  std::string problem(const scenario::Hardware& hardware, Arch arch = Arch::kX86_64,
                      unsigned cpus = 2) {
    VmConfig config;
    config.arch = arch;
    config.cpus = cpus;
    config.hardware = hardware;
    CapabilitySource source(known());
    const Status status = check_names(config, "tcg", source);
    if (status) return {};
    EXPECT_EQ(status.error().blame, Blame::kInput);
    return status.error().message();
  }
  std::string cpu(const std::string& option, Arch arch = Arch::kX86_64) {
    return problem({.cpu = option, .machine = {}, .devices = {}}, arch);
  }
  std::string device(const std::string& option) {
    return problem({.cpu = {}, .machine = {}, .devices = {option}});
  }
};

TEST_F(HardwareCheck, WhatQemuHasIsAccepted) {
  EXPECT_EQ(cpu("max"), "");
  EXPECT_EQ(cpu("max,+la57,-sse4_1,phys-bits=40,x2apic=off,-x2apic"), "");
  EXPECT_EQ(device("edu"), "");
  EXPECT_EQ(device("intel-iommu,intremap=on,id=a,,b,bus=pcie.0"), "");
  EXPECT_EQ(device("virtio-rng,max-bytes=1"), "");
  EXPECT_EQ(
      problem(
          {.cpu = {}, .machine = {{"hpet", "off"}, {"kernel-irqchip", "split"}}, .devices = {}}),
      "");
  EXPECT_EQ(problem({}, Arch::kX86_64, 288), "");
}

TEST_F(HardwareCheck, UnknownNamesComeWithTheNearestAndTheQemuThatWasAsked) {
  EXPECT_EQ(cpu("Nehalm"),
            "no CPU model 'Nehalm' for x86_64, did you mean 'Nehalem'? "
            "(asked of qemu-system-x86_64 7.2.22)");
  EXPECT_THAT(cpu("max,+la75"), HasSubstr("has no flag 'la75', did you mean 'la57'?"));
  EXPECT_THAT(device("intel-iomu"), HasSubstr("did you mean 'intel-iommu'?"));
  EXPECT_THAT(device("intel-iommu,intramap=on"),
              HasSubstr("'intel-iommu' has no property 'intramap', did you mean 'intremap'?"));
  EXPECT_THAT(problem({.cpu = {}, .machine = {{"hpett", "off"}}, .devices = {}}),
              HasSubstr("pc-q35-7.2 has no option 'hpett', did you mean 'hpet'?"));
  EXPECT_THAT(problem({}, Arch::kX86_64, 289), HasSubstr("at most 288 CPUs"));
}

// QEMU only warns, and the guest would be without it.
TEST_F(HardwareCheck, FlagThatTheAcceleratorCannotDoIsRefusedWhenTurnedOn) {
  for (const char* option : {"max,+x2apic", "max,x2apic=on", "max,x2apic"}) {
    EXPECT_THAT(cpu(option), HasSubstr("cannot be had under tcg")) << option;
  }
}

TEST_F(HardwareCheck, SignedFlagsAreOfX86Only) {
  EXPECT_THAT(cpu("max,+sve", Arch::kArm64), HasSubstr("on arm64 it is written as sve=on"));
}

TEST_F(HardwareCheck, DeviceThatQemuDoesNotTellAboutIsLeftToTheTrialStart) {
  EXPECT_EQ(device("silent,anything=1"), "");
}

TEST(HostMemoryCheck, OnlyMoreThanAllMemoryIsRefused) {
  const HostMemory host{.total = 8u << 20, .available = 2u << 20};
  EXPECT_EQ(*check_memory(1 << 20, host), std::nullopt);
  EXPECT_THAT(check_memory(4 << 20, host)->value_or(""), HasSubstr("will swap"));
  const auto refused = check_memory(9 << 20, host);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().blame, Blame::kInput);
  EXPECT_TRUE(check_memory(9 << 20, {.total = 8u << 20, .overcommits = true}));
  EXPECT_GT(host_memory().total, host_memory().available);
}

TEST(CapabilitiesCache, IsReadBackWhole) {
  Capabilities all = known();
  all.properties["virtio-gpu-gl-pci"] = std::nullopt;
  const auto back = capabilities_from_json(to_json(all, "id 1"), "id 1");
  ASSERT_TRUE(back);
  EXPECT_EQ(to_json(*back, "id 1"), to_json(all, "id 1"));
  EXPECT_FALSE(back->properties.at("virtio-gpu-gl-pci"));
}

TEST(CapabilitiesCache, OfAnotherQemuOrDamagedCountsForNothing) {
  const std::string text = to_json(known(), "id 1");
  EXPECT_FALSE(capabilities_from_json(text, "id 2"));
  EXPECT_FALSE(capabilities_from_json(text.substr(0, text.size() / 2), "id 1"));
  EXPECT_FALSE(capabilities_from_json("{\"format\": 1, \"identity\": \"id 1\"}", "id 1"));
  EXPECT_FALSE(capabilities_from_json("[]", "id 1"));
}

// Of the real QEMU, through a cache of the test's own.
class RealCheck : public testing::Test {
 protected:
  void SetUp() override { ::setenv("XDG_CACHE_HOME", cache_->path().c_str(), 1); }
  void TearDown() override { ::unsetenv("XDG_CACHE_HOME"); }

  VmConfig config(Arch arch = Arch::kX86_64) {
    VmConfig config;
    config.arch = arch;
    config.accelerator = "tcg";
    return config;
  }
  std::string problem(const VmConfig& config) {
    const auto checked = check_machine(config);
    return checked ? "" : checked.error().message();
  }
  Result<TempDir> cache_ = TempDir::create("hardware-check-test");
};

TEST_F(RealCheck, QemuAnswersForBothArchitectures) {
  VmConfig x86 = config();
  x86.hardware = {.cpu = "max,la57=off",
                  .machine = {{"hpet", "off"}},
                  .devices = {"intel-iommu,intremap=on", "virtio-rng"}};
  x86.disks = {{.bytes = 1 << 20, .bus = scenario::DiskBus::kMegasas}};
  x86.network = scenario::Network::kUser;
  EXPECT_EQ(problem(x86), "");
  VmConfig arm64 = config(Arch::kArm64);
  arm64.hardware.cpu = "max,pauth-impdef=on";
  EXPECT_EQ(problem(arm64), "");
  EXPECT_TRUE(fs::exists(cache_->path() / "crashrig/qemu-x86_64-tcg.json"));
  EXPECT_TRUE(fs::exists(cache_->path() / "crashrig/qemu-arm64-tcg.json"));
}

TEST_F(RealCheck, WrongNamesAreTheScenariosFault) {
  VmConfig bad = config();
  bad.hardware.devices = {"intel-iomu"};
  EXPECT_THAT(problem(bad), HasSubstr("did you mean 'intel-iommu'?"));
  bad.hardware = {.cpu = "max,+x2apik", .machine = {}, .devices = {}};
  EXPECT_THAT(problem(bad), HasSubstr("did you mean 'x2apic'?"));
}

// Names alone do not show it; nor would the first attempt have to.
TEST_F(RealCheck, ValuesAndBusesAreTriedOut) {
  VmConfig bad = config();
  bad.hardware.devices = {"intel-iommu,intremap=maybe"};
  EXPECT_THAT(problem(bad), HasSubstr("refuses this machine: -device intel-iommu"));
  bad.hardware.devices = {"edu,bus=nowhere.0"};
  EXPECT_THAT(problem(bad), HasSubstr("nowhere.0"));
  bad.hardware.devices = {};
  bad.disks = {{.image = "/nonexistent.img", .format = "raw"}};
  EXPECT_THAT(problem(bad), HasSubstr("/nonexistent.img"));
}

TEST_F(RealCheck, WhatIsLeftOutIsNotedOnce) {
  VmConfig odd = config();
  odd.cpus = 4;
  odd.hardware = {.cpu = "Skylake-Client", .machine = {{"kernel-irqchip", "split"}}, .devices = {}};
  const auto notes = check_machine(odd);
  ASSERT_TRUE(notes) << notes.error().message();
  EXPECT_THAT(*notes, testing::Contains(HasSubstr("warning: TCG doesn't support")));
  EXPECT_EQ(std::set<std::string>(notes->begin(), notes->end()).size(), notes->size());
  EXPECT_THAT(*notes, testing::Contains(HasSubstr("'kernel-irqchip' is KVM's")));
}

// QEMU dies of the question for a device whose module is not installed: the next one is answered.
TEST_F(RealCheck, QemuThatDiesOfAQuestionIsAskedOn) {
  VmConfig odd = config();
  odd.hardware.devices = {"virtio-gpu-gl-pci", "intel-iomu"};
  EXPECT_THAT(problem(odd), testing::AnyOf(HasSubstr("virtio-gpu-gl-pci"), HasSubstr("iommu")));
}

}  // namespace
}  // namespace rig::vm::qemu
