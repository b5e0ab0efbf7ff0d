// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <ostream>

#include "unit/cmdline/fake_evidence.h"

namespace rig::cmdline {
namespace {

using testing::HasSubstr;

struct SettingCase {
  const char* parameter;
  const char* file;
  const char* holds;
  const char* does_not;
};
void PrintTo(const SettingCase& each, std::ostream* out) {
  *out << each.parameter;
}

class Setting : public testing::TestWithParam<SettingCase> {};

TEST_P(Setting, IsEffectiveWhenItsFileShowsIt) {
  FakeEvidence guest;
  guest.files[GetParam().file] = GetParam().holds;
  const Effect effect = guest.check(GetParam().parameter);
  EXPECT_EQ(effect.state, State::kEffective) << effect.how;
  EXPECT_THAT(effect.how, HasSubstr(GetParam().file));
}

TEST_P(Setting, IsIneffectiveWhenItsFileShowsAnother) {
  FakeEvidence guest;
  guest.files[GetParam().file] = GetParam().does_not;
  EXPECT_EQ(guest.state(GetParam().parameter), State::kIneffective);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, Setting,
    testing::Values(
        SettingCase{"apparmor=0", "/sys/module/apparmor/parameters/enabled", "N\n", "Y\n"},
        SettingCase{"hardlockup_all_cpu_backtrace=1",
                    "/proc/sys/kernel/hardlockup_all_cpu_backtrace", "1\n", "0\n"},
        SettingCase{"hugepages=8", "/proc/sys/vm/nr_hugepages", "8\n", "3\n"},
        SettingCase{"hung_task_panic=1", "/proc/sys/kernel/hung_task_panic", "1\n", "0\n"},
        SettingCase{"panic=-1", "/proc/sys/kernel/panic", "-1\n", "0\n"},
        SettingCase{"panic_on_warn=1", "/proc/sys/kernel/panic_on_warn", "1\n", "0\n"},
        SettingCase{"oops=panic", "/proc/sys/kernel/panic_on_oops", "1\n", "0\n"},
        SettingCase{"printk.devkmsg=on", "/proc/sys/kernel/printk_devkmsg", "on\n", "ratelimit\n"},
        SettingCase{"softlockup_all_cpu_backtrace=1",
                    "/proc/sys/kernel/softlockup_all_cpu_backtrace", "1\n", "0\n"},
        SettingCase{"softlockup_panic=1", "/proc/sys/kernel/softlockup_panic", "1\n", "0\n"},
        SettingCase{"transparent_hugepage=never", "/sys/kernel/mm/transparent_hugepage/enabled",
                    "always madvise [never]\n", "always [madvise] never\n"},
        SettingCase{"unknown_nmi_panic", "/proc/sys/kernel/unknown_nmi_panic", "1\n", "0\n"},
        SettingCase{"loglevel=8", "/proc/sys/kernel/printk", "8\t4\t1\t7\n", "7\t4\t1\t7\n"},
        SettingCase{"quiet", "/proc/sys/kernel/printk", "4\t4\t1\t7\n", "7\t4\t1\t7\n"},
        SettingCase{"debug", "/proc/sys/kernel/printk", "10\t4\t1\t7\n", "7\t4\t1\t7\n"},
        SettingCase{"console=ttyS0,115200", "/proc/consoles", "ttyS0  -W- (EC   a)  4:64\n",
                    "ttyS1  -W- (EC   a)  4:65\n"},
        SettingCase{"rootflags=data=journal", "/proc/mounts",
                    "/dev/vda / ext4 rw,data=journal 0 0\n", "/dev/vda / ext4 rw,relatime 0 0\n"}));

TEST(Settings, OfAKernelThatKnowsThemButShowsNoFileCannotBeSeen) {
  FakeEvidence guest;
  EXPECT_EQ(guest.state("hung_task_panic=1"), State::kNotCheckable);
  EXPECT_EQ(guest.state("oops=panic"), State::kNotCheckable);
  EXPECT_EQ(guest.state("unknown_nmi_panic"), State::kNotCheckable);
}

TEST(Settings, OopsKnowsOneValue) {
  FakeEvidence guest;
  guest.files["/proc/sys/kernel/panic_on_oops"] = "1\n";
  EXPECT_EQ(guest.state("oops=stop"), State::kIneffective);
}

TEST(Settings, OfTheRootAreIneffectiveInAGuestThatRunsFromItsInitramfs) {
  FakeEvidence guest;
  guest.files["/proc/mounts"] = "none / rootfs rw 0 0\nproc /proc proc rw,nosuid 0 0\n";
  for (const char* parameter : {"rootflags=data=journal", "root=/dev/vda1", "ro", "rootwait"}) {
    const Effect effect = guest.check(parameter);
    EXPECT_EQ(effect.state, State::kIneffective) << parameter;
    EXPECT_THAT(effect.how, HasSubstr("initramfs"));
  }
  guest.files["/proc/mounts"] = "/dev/vda / ext4 ro 0 0\n";
  EXPECT_EQ(guest.state("root=/dev/vda"), State::kNotCheckable);
}

}  // namespace
}  // namespace rig::cmdline
