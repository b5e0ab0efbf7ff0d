// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "unit/cmdline/fake_evidence.h"

namespace rig::cmdline {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t kX2apic = 1u << 21;

TEST(MachineParameters, NoX2apicNeedsACpuThatHasIt) {
  FakeEvidence guest;
  guest.files["/proc/cpuinfo"] = "processor\t: 0\nflags\t\t: fpu vme sse\n";
  EXPECT_EQ(guest.state("nox2apic"), State::kNotCheckable) << "what the CPU has is not known";
  guest.leaves[1] = {0, 0, 0, 0};
  EXPECT_THAT(guest.check("nox2apic").how, HasSubstr("no x2APIC to switch off"));
  EXPECT_EQ(guest.state("nox2apic"), State::kIneffective);
  guest.leaves[1] = {0, 0, kX2apic, 0};
  EXPECT_EQ(guest.state("nox2apic"), State::kEffective);
}

TEST(MachineParameters, NoX2apicIsIneffectiveWhereX2apicIsOn) {
  FakeEvidence guest;
  guest.leaves[1] = {0, 0, kX2apic, 0};
  guest.files["/proc/cpuinfo"] = "flags\t\t: fpu x2apic\n";
  EXPECT_EQ(guest.state("nox2apic"), State::kIneffective);
  guest.files["/proc/cpuinfo"] = "flags\t\t: fpu x2apic_other\n";
  EXPECT_EQ(guest.state("nox2apic"), State::kEffective);
  guest.log_text = "[    0.1] x2apic enabled\n";
  EXPECT_EQ(guest.state("nox2apic"), State::kIneffective);
}

TEST(MachineParameters, NoKvmapfNeedsKvm) {
  FakeEvidence guest;
  guest.files["/proc/interrupts"] = " LOC:  1  1\n";
  const Effect effect = guest.check("no-kvmapf");
  EXPECT_EQ(effect.state, State::kIneffective);
  EXPECT_THAT(effect.how, HasSubstr("without KVM"));
  guest.leaves[0x40000000] = {0x40000001, 0x54474354, 0x43544743, 0x47435447};  // "TCGTCGTCGTCG"
  EXPECT_EQ(guest.state("no-kvmapf"), State::kIneffective);
}

TEST(MachineParameters, NoKvmapfLeavesNoInterruptOfAsyncFaults) {
  FakeEvidence guest;
  guest.files["/proc/interrupts"] = " LOC:  1  1\n";
  guest.leaves[0x40000000] = {0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d};
  guest.leaves[0x40000001] = {0, 0, 0, 0};
  EXPECT_EQ(guest.state("no-kvmapf"), State::kIneffective) << "none are offered";
  guest.leaves[0x40000001] = {1u << 14, 0, 0, 0};
  EXPECT_EQ(guest.state("no-kvmapf"), State::kEffective);
  guest.files["/proc/interrupts"] = " HYP:  0  0   Hypervisor callback interrupts\n";
  EXPECT_EQ(guest.state("no-kvmapf"), State::kIneffective);
}

// An ACPI table DMAR with these flags.
std::string dmar(char flags) {
  std::string table(48, '\0');
  table.replace(0, 4, "DMAR");
  table[37] = flags;
  return table;
}

TEST(MachineParameters, RemappingCanOnlyBeSwitchedOffWhereItIs) {
  FakeEvidence guest;
  for (const char* parameter : {"intremap=off", "nointremap"}) {
    guest.files.erase("/sys/firmware/acpi/tables/DMAR");
    EXPECT_THAT(guest.check(parameter).how, HasSubstr("no IOMMU"));
    EXPECT_EQ(guest.state(parameter), State::kIneffective);
    guest.files["/sys/firmware/acpi/tables/DMAR"] = dmar(0);
    EXPECT_EQ(guest.state(parameter), State::kIneffective) << "it cannot remap";
    guest.files["/sys/firmware/acpi/tables/DMAR"] = dmar(1);
    EXPECT_EQ(guest.state(parameter), State::kEffective);
  }
  guest.log_text = "[    0.2] DMAR-IR: Enabled IRQ remapping in xapic mode\n";
  EXPECT_EQ(guest.state("intremap=off"), State::kIneffective);
  EXPECT_EQ(guest.state("intremap=on"), State::kEffective);
  guest.log_text.clear();
  EXPECT_EQ(guest.state("intremap=on"), State::kIneffective);
}

TEST(MachineParameters, AnOptOutCanOnlyBeOverriddenWhereThereIsOne) {
  FakeEvidence guest;
  guest.files["/sys/firmware/acpi/tables/DMAR"] = dmar(1);
  EXPECT_EQ(guest.state("intremap=no_x2apic_optout"), State::kIneffective) << "nothing remaps";
  guest.log_text = "[    0.2] DMAR-IR: Enabled IRQ remapping in xapic mode\n";
  EXPECT_THAT(guest.check("intremap=no_x2apic_optout").how, HasSubstr("nothing to override"));
  guest.files["/sys/firmware/acpi/tables/DMAR"] = dmar(3);
  EXPECT_EQ(guest.state("intremap=no_x2apic_optout"), State::kEffective);
  guest.log_text += "[    0.2] DMAR-IR: x2apic is disabled because BIOS sets x2apic opt out bit.\n";
  EXPECT_EQ(guest.state("intremap=no_x2apic_optout"), State::kIneffective);
  guest.files["/sys/firmware/acpi/tables/DMAR"] = dmar(1);
  guest.log_text = "[    0.2] DMAR-IR: Enabled IRQ remapping in x2apic mode\n";
  EXPECT_EQ(guest.state("intremap=no_x2apic_optout"), State::kEffective);
}

TEST(MachineParameters, IntremapOptionsAreJudgedOneByOne) {
  FakeEvidence guest;
  guest.files["/sys/firmware/acpi/tables/DMAR"] = dmar(1);
  EXPECT_EQ(guest.state("intremap=off,nosid"), State::kNotCheckable);
  EXPECT_EQ(guest.state("intremap=of"), State::kIneffective);
  EXPECT_EQ(guest.state("intremap="), State::kIneffective);
}

TEST(MachineParameters, IntelIdleMustNotBeWhatIdles) {
  FakeEvidence guest;
  guest.files["/sys/module/intel_idle/parameters/max_cstate"] = "0\n";
  EXPECT_EQ(guest.state("intel_idle.max_cstate=0"), State::kEffective);
  guest.files["/sys/devices/system/cpu/cpuidle/current_driver"] = "none\n";
  EXPECT_EQ(guest.state("intel_idle.max_cstate=0"), State::kEffective);
  guest.files["/sys/devices/system/cpu/cpuidle/current_driver"] = "intel_idle\n";
  EXPECT_EQ(guest.state("intel_idle.max_cstate=0"), State::kIneffective);
  EXPECT_EQ(guest.state("intel_idle.max_cstate=1"), State::kIneffective);
}

TEST(MachineParameters, CpusAreCounted) {
  FakeEvidence guest;
  guest.files["/sys/devices/system/cpu/online"] = "0-1\n";
  guest.files["/sys/devices/system/cpu/possible"] = "0,2-3\n";
  EXPECT_EQ(guest.state("maxcpus=2"), State::kEffective);
  EXPECT_EQ(guest.state("maxcpus=1"), State::kIneffective);
  EXPECT_EQ(guest.state("nosmp"), State::kIneffective);
  EXPECT_EQ(guest.state("nr_cpus=3"), State::kEffective);
  EXPECT_EQ(guest.state("nr_cpus=2"), State::kIneffective);
  guest.files["/sys/devices/system/cpu/online"] = "9-1\n";
  EXPECT_EQ(guest.state("maxcpus=2"), State::kNotCheckable);
}

}  // namespace
}  // namespace rig::cmdline
