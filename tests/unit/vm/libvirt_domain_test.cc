// SPDX-License-Identifier: Apache-2.0
// What libvirt is told and what it tells, without any libvirt.
#include <gmock/gmock.h>
#include <libvirt/libvirt.h>

#include <pugixml.hpp>

#include "vm/libvirt/domain_events.h"
#include "vm/libvirt/domain_xml.h"
#include "vm/libvirt/host_uri.h"

namespace rig::vm::libvirt {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view kCapabilities = R"(<domainCapabilities>
  <path>/usr/bin/qemu-system-x86_64</path><domain>qemu</domain><machine>pc-q35-7.2</machine>
  <arch>x86_64</arch><vcpu max='288'/>
  <cpu><mode name='custom' supported='yes'><model usable='yes'>Nehalem</model>
    <model usable='no'>EPYC</model><model usable='unknown'>cortex-a57</model></mode></cpu>
  <devices>
    <disk supported='yes'><enum name='bus'><value>scsi</value><value>virtio</value></enum></disk>
    <channel supported='yes'><enum name='type'><value>pty</value><value>unix</value></enum></channel>
  </devices>
  <features><gic supported='yes'><enum name='version'><value>2</value><value>3</value></enum></gic>
    <vmcoreinfo supported='yes'/></features>
</domainCapabilities>)";

class DomainXmlTest : public testing::Test {
 protected:
  DomainXmlTest() {
    config_.cmdline = "console=ttyS0 panic=0 quote=\"a<b & c\"";
    files_ = {.kernel = "/k/vmlinux", .initramfs = "/k/initramfs", .disks = {}};
  }
  Result<std::string> write(std::string_view accelerator = "tcg") {
    return domain_xml("crashrig-1", *qemu::machine_for(config_.arch).value(), config_, accelerator,
                      host_, files_);
  }
  pugi::xml_node domain(std::string_view accelerator = "tcg") {
    const auto text = write(accelerator);
    EXPECT_TRUE(text) << text.error().message();
    EXPECT_TRUE(text && document_.load_string(text->c_str()));
    return document_.child("domain");
  }
  std::vector<std::string> options(pugi::xml_node domain) {
    std::vector<std::string> list;
    for (const auto option : domain.child("qemu:commandline").children("qemu:arg")) {
      list.emplace_back(option.attribute("value").value());
    }
    return list;
  }

  VmConfig config_;
  DomainFiles files_;
  HostCapabilities host_ = parse_domain_capabilities(kCapabilities).value();
  pugi::xml_document document_;
};

TEST_F(DomainXmlTest, CapabilitiesAreRead) {
  EXPECT_EQ(host_.emulator, "/usr/bin/qemu-system-x86_64");
  EXPECT_EQ(host_.machine, "pc-q35-7.2");
  EXPECT_EQ(host_.max_cpus, 288u);
  EXPECT_TRUE(host_.vmcoreinfo);
  EXPECT_THAT(host_.cpu_models, ElementsAre("Nehalem", "cortex-a57"));
  EXPECT_THAT(host_.disk_buses, ElementsAre("scsi", "virtio"));
  EXPECT_FALSE(parse_domain_capabilities("<other/>"));
  EXPECT_FALSE(parse_domain_capabilities("no XML <"));
}

TEST_F(DomainXmlTest, GuestIsDescribedAndItsCommandLineSurvivesAnyCharacter) {
  const auto node = domain();
  EXPECT_STREQ(node.attribute("type").value(), "qemu");
  EXPECT_STREQ(node.child("name").text().get(), "crashrig-1");
  EXPECT_EQ(node.child("memory").text().as_ullong(), 512u << 10);
  EXPECT_STREQ(node.child("os").child("cmdline").text().get(), config_.cmdline.c_str());
  EXPECT_STREQ(node.child("os").child("kernel").text().get(), "/k/vmlinux");
  EXPECT_STREQ(node.child("os").child("type").attribute("machine").value(), "pc-q35-7.2");
  EXPECT_STREQ(node.child("on_crash").text().get(), "preserve");
  EXPECT_STREQ(node.child("features").child("vmcoreinfo").attribute("state").value(), "on");
  const auto cpu = node.child("cpu");
  EXPECT_STREQ(cpu.child("model").text().get(), "Nehalem");
  EXPECT_STREQ(cpu.child("feature").attribute("name").value(), "rdrand");
  EXPECT_THAT(options(node), Contains("pvpanic-pci"));
}

TEST_F(DomainXmlTest, Arm64HasItsInterruptControllerAndNoPvpanic) {
  config_.arch = Arch::kArm64;
  const auto node = domain();
  EXPECT_STREQ(node.child("os").child("type").attribute("arch").value(), "aarch64");
  EXPECT_STREQ(node.child("features").child("gic").attribute("version").value(), "3");
  EXPECT_FALSE(node.child("features").child("acpi"));
  EXPECT_THAT(options(node), IsEmpty());
}

TEST_F(DomainXmlTest, KvmTakesTheHostsCpu) {
  const auto node = domain("kvm");
  EXPECT_STREQ(node.attribute("type").value(), "kvm");
  EXPECT_STREQ(node.child("cpu").attribute("mode").value(), "host-passthrough");
}

TEST_F(DomainXmlTest, DisksThatLibvirtKnowsAreDisksTheOthersAreQemusOptions) {
  config_.disks = {{.bytes = 1 << 20},
                   {.bytes = 1 << 20, .bus = scenario::DiskBus::kMegasas},
                   {.bytes = 1 << 20, .bus = scenario::DiskBus::kScsi},
                   {.image = "/img", .format = "qcow2"}};
  files_.disks = {"/d0", "/d1", "/d2", "/img"};
  const auto node = domain();
  std::vector<std::string> sources;
  for (const auto disk : node.child("devices").children("disk")) {
    sources.emplace_back(disk.child("source").attribute("file").value());
  }
  EXPECT_THAT(sources, ElementsAre("/d0", "/d2"));
  const auto passed = options(node);
  EXPECT_THAT(passed, Contains(HasSubstr("file=/d1")));
  EXPECT_THAT(passed, Contains(HasSubstr("snapshot=on,file=/img")));
  EXPECT_THAT(passed, Not(Contains(HasSubstr("/d0"))));
  host_.disk_buses = {"virtio"};
  EXPECT_THAT(options(domain()), Contains(HasSubstr("file=/d2")));
}

TEST_F(DomainXmlTest, NoTwoDevicesShareASlot) {
  config_.disks.assign(6, {.bytes = 1 << 20});
  files_.disks.assign(6, "/d");
  std::vector<std::string> slots;
  for (const auto device : domain().child("devices").children()) {
    const std::string slot = device.child("address").attribute("slot").value();
    if (slot.empty()) continue;
    EXPECT_THAT(slots, Not(Contains(slot)));
    slots.push_back(slot);
  }
  EXPECT_EQ(slots.size(), 8u);
}

TEST_F(DomainXmlTest, WhatTheHostLacksIsTheUsers) {
  config_.cpus = 289;
  EXPECT_THAT(write().error().what, HasSubstr("288 is the most"));
  config_.cpus = 2;
  host_.cpu_models = {"486"};
  EXPECT_THAT(write().error().what, HasSubstr("Nehalem"));
  host_.vmcoreinfo = false;
  EXPECT_EQ(write().error().blame, Blame::kInput);
}

struct EventCase {
  int event;
  int detail;
  std::optional<Notice> means;
};
class DomainEventTest : public testing::TestWithParam<EventCase> {};
INSTANTIATE_TEST_SUITE_P(
    Events, DomainEventTest,
    testing::Values(
        EventCase{VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED, Notice::kPanicked},
        EventCase{VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG,
                  Notice::kStopped},
        EventCase{VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR, Notice::kStopped},
        EventCase{VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, Notice::kPoweredOff},
        EventCase{VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED, Notice::kGone},
        EventCase{VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, Notice::kGone},
        EventCase{VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED, Notice::kGone},
        EventCase{VIR_DOMAIN_EVENT_STARTED, 0, std::nullopt},
        EventCase{VIR_DOMAIN_EVENT_RESUMED, 0, std::nullopt}));

TEST_P(DomainEventTest, MeansForTheGuest) {
  const auto notice = notice_of(GetParam().event, GetParam().detail);
  ASSERT_EQ(notice.has_value(), GetParam().means.has_value());
  if (notice) {
    EXPECT_EQ(notice->kind, *GetParam().means);
  }
}

TEST(DomainEvents, QemusStatusSaysWhyAGuestStopped) {
  EXPECT_EQ(stop_reason("guest-panicked"), StopReason::kPanicked);
  EXPECT_EQ(stop_reason("watchdog"), StopReason::kWatchdog);
  EXPECT_EQ(stop_reason("debug"), StopReason::kBreakpoint);
  EXPECT_EQ(stop_reason("internal-error"), StopReason::kFault);
  EXPECT_EQ(stop_reason("io-error"), StopReason::kFault);
  EXPECT_EQ(stop_reason("running"), StopReason::kRuns);
  EXPECT_EQ(stop_reason("paused"), StopReason::kPaused);
  EXPECT_EQ(stop_reason(""), StopReason::kPaused);
}

TEST(HostUri, SaysWhereTheGuestRunsAndWhatItsQemuCanRead) {
  EXPECT_TRUE(parse_uri("embed")->embedded);
  const auto embed = parse_uri("qemu:///embed?root=/srv/rig");
  EXPECT_TRUE(embed->embedded && embed->shares_files);
  EXPECT_EQ(embed->root, "/srv/rig");
  EXPECT_TRUE(parse_uri("qemu:///session")->shares_files);
  const auto system = parse_uri("qemu:///system");
  EXPECT_FALSE(system->embedded || system->shares_files || system->remote);
  const auto remote = parse_uri("qemu+ssh://root@host/system");
  EXPECT_TRUE(remote->remote);
  EXPECT_FALSE(remote->shares_files);
  EXPECT_FALSE(parse_uri("qemu+unix:///system?socket=/run/x")->remote);
}

TEST(HostUri, BadOnesAreTheUsersAndNameTheForms) {
  for (const char* bad : {"qemu:///embed", "qemu:///embed?root=here", "qemu://host/embed?root=/a",
                          "xen:///system", "qemu:///nowhere", "qemu://host"}) {
    const auto uri = parse_uri(bad);
    ASSERT_FALSE(uri) << bad;
    EXPECT_EQ(uri.error().blame, Blame::kInput);
    EXPECT_THAT(uri.error().hint, HasSubstr("qemu:///system"));
  }
}

}  // namespace
}  // namespace rig::vm::libvirt
