// SPDX-License-Identifier: Apache-2.0
// What is found without looking at a parameter's own row, and the parameters that have none.
#include "cmdline/check.h"

#include <gmock/gmock.h>

#include "unit/cmdline/fake_evidence.h"

namespace rig::cmdline {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr const char* kUnknownLine =
    "<5>[    0.031415] Unknown kernel command line parameters \"slub_debgu=FZPU BOOT_IMAGE=/x\", "
    "will be passed to user space.\n";

TEST(CheckCmdline, WhatTheLogListsAsUnknownIsUnknown) {
  FakeEvidence guest;
  guest.log_text = std::string("<6>[    0.000000] Linux version 6.1\n") + kUnknownLine;
  const Effect effect = guest.check("slub_debgu=FZPU");
  EXPECT_EQ(effect.state, State::kUnknown);
  EXPECT_THAT(effect.how, HasSubstr("Unknown kernel command line parameters"));
  EXPECT_EQ(guest.state("slub_debg=FZPU"), State::kNotCheckable);
}

TEST(CheckCmdline, WhatInitWasHandedIsUnknownAlsoWhereTheLogIsSilent) {
  FakeEvidence guest;
  guest.files["/proc/1/environ"] = std::string("HOME=/\0TERM=linux\0kasan_multi=1\0", 33);
  guest.files["/proc/1/cmdline"] = std::string("/init\0no-kvmapf\0", 16);
  EXPECT_EQ(guest.state("no-kvmapf"), State::kUnknown);
  EXPECT_EQ(guest.state("kasan-multi=1"), State::kUnknown);
  EXPECT_EQ(guest.state("kasan_multi"), State::kNotCheckable) << "an argument is no variable";
  EXPECT_EQ(guest.state("/init"), State::kNotCheckable) << "argument 0 is init itself";
}

TEST(CheckCmdline, ARowIsNotAskedForWhatTheKernelDoesNotKnow) {
  FakeEvidence guest;
  guest.log_text = "Unknown kernel command line parameters \"nox2apic apparmor=0\", will";
  guest.files["/sys/module/apparmor/parameters/enabled"] = "N\n";
  EXPECT_EQ(guest.state("nox2apic"), State::kUnknown);
  EXPECT_EQ(guest.state("apparmor=0"), State::kUnknown);
}

TEST(CheckCmdline, ARefusedValueIsIneffective) {
  FakeEvidence guest;
  guest.log_text =
      "<4>[    0.000000] Malformed early option 'debug_pagealloc'\n"
      "<3>[    0.1] Booting kernel: `xyz' invalid for parameter `panic_on_warn'\n";
  guest.files["/proc/sys/kernel/panic_on_warn"] = "1\n";
  EXPECT_THAT(guest.check("debug_pagealloc=maybe").how,
              HasSubstr("Malformed early option 'debug_pagealloc'"));
  const Effect effect = guest.check("panic_on_warn=xyz");
  EXPECT_EQ(effect.state, State::kIneffective);
  EXPECT_THAT(effect.how, HasSubstr("`xyz' invalid for parameter"));
}

TEST(CheckCmdline, AParameterThatNeverArrivedIsIneffective) {
  FakeEvidence guest;
  guest.files["/proc/cmdline"] = "console=ttyS0\n";
  guest.files["/proc/sys/kernel/panic"] = "5\n";
  const auto effects = check_cmdline("panic=5", guest);
  ASSERT_EQ(effects.size(), 1u);
  EXPECT_EQ(effects[0].state, State::kIneffective);
  EXPECT_THAT(effects[0].how, HasSubstr("/proc/cmdline"));
}

TEST(CheckCmdline, ALaterValueOverridesAnEarlierOneButConsolesAddUp) {
  FakeEvidence guest;
  const std::string line = "console=ttyS0 panic=-1 console=tty0 panic=5";
  guest.files["/proc/cmdline"] = line;
  guest.files["/proc/sys/kernel/panic"] = "5\n";
  guest.files["/proc/consoles"] = "ttyS0  -W- (EC   a)  4:64\n";
  const auto effects = check_cmdline(line, guest);
  ASSERT_EQ(effects.size(), 3u);
  EXPECT_EQ(effects[0].state, State::kEffective);
  EXPECT_EQ(effects[1].parameter, "console=tty0");
  EXPECT_EQ(effects[1].state, State::kIneffective);
  EXPECT_EQ(effects[2].parameter, "panic=5");
  EXPECT_EQ(effects[2].state, State::kEffective);
}

TEST(CheckCmdline, WhatIsForInitIsNoParameterOfTheKernel) {
  FakeEvidence guest;
  guest.files["/proc/cmdline"] = "-- single";
  const auto effects = check_cmdline("-- single", guest);
  ASSERT_EQ(effects.size(), 1u);
  EXPECT_EQ(effects[0].state, State::kIneffective);
}

TEST(CheckCmdline, EvidenceIsFitForATerminal) {
  FakeEvidence guest;
  guest.files["/proc/sys/kernel/panic"] = "\x1b[2J7";
  EXPECT_EQ(guest.check("panic=5").how.find('\x1b'), std::string::npos);
}

TEST(CheckCmdline, ModuleParametersAreComparedWithTheirFile) {
  FakeEvidence guest;
  guest.files["/sys/module/virtio_blk/parameters/queue_depth"] = "64\n";
  guest.files["/sys/module/kfence/parameters/on"] = "N\n";
  EXPECT_EQ(guest.state("virtio-blk.queue_depth=0x40"), State::kEffective);
  EXPECT_EQ(guest.state("virtio_blk.queue_depth=65"), State::kIneffective);
  EXPECT_EQ(guest.state("kfence.on"), State::kIneffective);
  EXPECT_EQ(guest.state("kfence.on=0"), State::kEffective);
}

TEST(CheckCmdline, AModuleParameterWithoutAFileDependsOnItsModule) {
  FakeEvidence guest;
  guest.where = Home::kNoModule;
  EXPECT_EQ(guest.state("ksan.fault=panic"), State::kUnknown);
  EXPECT_EQ(guest.state("random.trust_cpu=on"), State::kNotCheckable);
  guest.where = Home::kLoadable;
  const Effect effect = guest.check("nvme_core.io_timeout=5");
  EXPECT_EQ(effect.state, State::kIneffective);
  EXPECT_THAT(effect.how, HasSubstr("guest.drivers"));
  guest.where = Home::kBuiltIn;
  EXPECT_EQ(guest.state("workqueue.hidden=1"), State::kNotCheckable);
  guest.where = Home::kNotKnown;
  EXPECT_EQ(guest.state("own.code=1"), State::kNotCheckable);
}

TEST(CheckCmdline, ALoadedModuleThatRefusesTheParameterDoesNotKnowIt) {
  FakeEvidence guest;
  guest.files["/proc/modules"] = "nvme_core 12 1 nvme, Live 0x0\n";
  EXPECT_EQ(guest.state("nvme_core.hidden=5"), State::kNotCheckable);
  guest.log_text = "[    1.0] nvme_core: unknown parameter 'hidden' ignored\n";
  EXPECT_EQ(guest.state("nvme_core.hidden=5"), State::kUnknown);
}

TEST(CheckCmdline, SysctlsAreComparedWithTheirFile) {
  FakeEvidence guest;
  guest.files["/proc/sys/vm/swappiness"] = "10\n";
  guest.files["/proc/sys/kernel/panic"] = "0\n";
  EXPECT_EQ(guest.state("sysctl.vm.swappiness=10"), State::kEffective);
  EXPECT_EQ(guest.state("sysctl.vm/swappiness=10"), State::kEffective);
  EXPECT_EQ(guest.state("sysctl.kernel.panic=1"), State::kIneffective);
  EXPECT_EQ(guest.state("sysctl.kernel.no_such=1"), State::kIneffective);
}

TEST(CheckCmdline, CoreParametersShowBelowKernel) {
  FakeEvidence guest;
  guest.files["/sys/module/kernel/parameters/initcall_debug"] = "Y\n";
  EXPECT_EQ(guest.state("initcall_debug"), State::kEffective);
  EXPECT_EQ(guest.state("initcall_debug=0"), State::kIneffective);
  EXPECT_EQ(guest.state("mitigations=off"), State::kNotCheckable);
}

TEST(CheckCmdline, KnowsTheNamesOfItsRows) {
  const auto names = known_parameters();
  for (const char* name : {"slub_debug", "no-kvmapf", "kasan.fault", "rootflags", "crashkernel"}) {
    EXPECT_THAT(names, Contains(name));
  }
}

TEST(States, HaveNamesThatReadBack) {
  for (const NamedState& each : kStates) EXPECT_EQ(parse_state(to_string(each.state)), each.state);
  EXPECT_EQ(parse_state("fine"), std::nullopt);
}

}  // namespace
}  // namespace rig::cmdline
