// SPDX-License-Identifier: Apache-2.0
// Which reports are of one bug.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oops/report.h"
#include "oops/report_fingerprint.h"
#include "oops/report_title.h"

namespace rig::oops {
namespace {

Report first(std::string_view log) {
  auto reports = parse_reports(log);
  return reports.empty() ? Report{} : std::move(reports.front());
}

// A use-after-free on x86_64 with a stack of these functions.
Report kasan(const std::vector<std::string>& functions) {
  std::string log = fmt::format(
      "[    1.000000] BUG: KASAN: use-after-free in {}+0x5d/0x90 [m]\n"
      "[    1.000001] Write of size 4 at addr ffff8880015136e8 by task t/3\n"
      "[    1.000002] Call Trace:\n"
      "[    1.000003]  dump_stack_lvl+0x34/0x44\n"
      "[    1.000003]  kasan_report+0x96/0xc0\n",
      functions.front());
  for (const std::string& function : functions) {
    log += fmt::format("[    1.000004]  {}+0x11/0x90\n", function);
  }
  return first(log + "[    1.000005]  do_syscall_64+0x34/0x80\n[    1.000006] ====\n");
}

TEST(Fingerprint, IsFreeOfWhatCompilersAndArchitecturesAdd) {
  const Report one = kasan({"late_write.isra.0", "late_timer.part.3", "__x64_sys_ioctl"});
  const Report other = kasan({"late_write", "late_timer", "__arm64_sys_ioctl"});
  EXPECT_EQ(one.fingerprint, "late_write<late_timer<sys_ioctl");
  EXPECT_EQ(one.fingerprint, other.fingerprint);
  EXPECT_TRUE(same_bug(one, other));
}

TEST(Group, AnInlinedCallerIsStillTheSameBug) {
  const Report one = kasan({"late_write", "complete_command", "finish", "irq_work", "queue"});
  const Report other = kasan({"late_write", "finish", "irq_work", "queue"});
  EXPECT_NE(one.fingerprint, other.fingerprint);
  EXPECT_TRUE(same_bug(one, other));
}

TEST(Group, TwoBugsInOneFunctionAreTwo) {
  const Report one = kasan({"put_object", "close_file", "release_file", "exit_files"});
  const Report other = kasan({"put_object", "expire", "run_timers", "tick"});
  EXPECT_EQ(one.title, other.title);
  EXPECT_FALSE(same_bug(one, other));
}

// What one detector calls so and the next otherwise has a title in common.
TEST(Group, OneBugSeenByTwoDetectorsIsOne) {
  const Report checked = kasan({"late_write", "late_timer"});
  const Report faulted = first(
      "[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000106\n"
      "[    1.000001] RIP: 0010:late_write+0x14/0x40 [m]\n"
      "[    1.000002] Call Trace:\n"
      "[    1.000003]  late_timer+0x11/0x90\n"
      "[    1.000004]  do_syscall_64+0x34/0x80\n"
      "[    1.000005] ---[ end trace 0 ]---\n");
  EXPECT_NE(checked.title, faulted.title);
  EXPECT_TRUE(same_bug(checked, faulted));
}

// As real logs tell of one: where the kernel was entered is no part of the bug, and a log that lost
// lines says less, not otherwise.
TEST(Group, LostLinesAndTheEntryAreNoDifference) {
  const Report whole = kasan({"init_state", "init_state4", "__init", "init", "add", "process"});
  const Report lost =
      kasan({"init_state", "init_state4", "SyS_sendmsg", "entry_SYSCALL_64_fastpath"});
  EXPECT_EQ(lost.fingerprint, "init_state<init_state4<sendmsg");
  EXPECT_TRUE(same_bug(whole, lost));
}

// "Preemption disabled at:" stands above the stack's heading.
TEST(Group, AFrameAboveTheStackIsNoPartOfIt) {
  const Report report = first(
      "[    1.000000] BUG: scheduling while atomic: load/1/0x00000101\n"
      "[    1.000000] Preemption disabled at:\n"
      "[    1.000000] [<80201270>] __do_softirq+0x68/0x480\n"
      "[    1.000000] CPU: 0 PID: 1 Comm: load Not tainted 6.1.0 #1\n"
      "[    1.000000] Call Trace:\n"
      "[    1.000000]  __schedule_bug+0x60/0x80\n"
      "[    1.000000]  schedule+0x54/0xd0\n"
      "[    1.000000]  remove_all+0x124/0x270\n"
      "[    1.000000]  release_queue+0x7c/0xf0\n"
      "[    1.000000]  do_syscall_64+0x34/0x80\n");
  EXPECT_EQ(report.title, "BUG: scheduling while atomic in remove_all");
  EXPECT_EQ(report.fingerprint, "remove_all<release_queue");
}

TEST(Group, OtherTitlesAreOtherBugs) {
  EXPECT_FALSE(same_bug(kasan({"f", "g"}), kasan({"h", "g"})));
}

TEST(Title, IsFreeOfWhatChangesFromRunToRun) {
  EXPECT_EQ(normalised("a at ffff8880015136e8 by syz-executor.3/123"), "a at ADDR by syz-executor");
  EXPECT_EQ(normalised("fn+0x12/0x340 at fs/ext4/inode.c:123 on CPU#3"),
            "fn at fs/ext4/inode.c:LINE on CPU");
  EXPECT_EQ(normalised("unknown-block(0,0)"), "unknown-block(NUM,NUM)");
  EXPECT_EQ(normalised("cfg80211_f of 10.1.2.3"), "cfg80211_f of IP");
  EXPECT_EQ(normalised("  a\t\x1b[0m  b  "), "a [0m b");
  EXPECT_LE(normalised(std::string(100'000, 'x')).size(), 120u);
}

TEST(Title, CallsASystemCallByOneName) {
  EXPECT_EQ(title_name("__x64_sys_ioctl"), "sys_ioctl");
  EXPECT_EQ(title_name("__do_sys_openat2"), "openat2");
  EXPECT_EQ(title_name("ksys_write"), "write");
  EXPECT_EQ(title_name("late_write"), "late_write");
  EXPECT_EQ(title_name("_Z9somethingiii"), "something");
  EXPECT_EQ(title_name("_RNvNtCs1_4core3fmt5write"), "core::fmt::write");
  EXPECT_EQ(title_name("_RNvXs1_CscPPBqWtAqum_6binderNtB5_4NodeNtCs43vyB533jt3_6kernel4File4mmap"),
            "<binder::Node as kernel::File>::mmap");
  EXPECT_EQ(title_name("_RINvNtCs1_4core3ptr13drop_in_placeNtCs2_6kernel4FileEB2_"),
            "core::ptr::drop_in_place::<kernel::File>");
  EXPECT_EQ(title_name("_RINvC4core4swapTlhETmEAyj10_E"),
            "core::swap::<(i32, u8), (u32,), [u64; 16]>");
  EXPECT_EQ(title_name("_RNCNvCs1_6binder4open0"), "binder::open::{closure#0}");
  EXPECT_EQ(title_name("_RNCNvCs1_6binder4opens_0"), "binder::open::{closure#1}");
  // Each argument is the one before, twice: half a megabyte for whoever does not stop.
  EXPECT_EQ(title_name("_RINvC1a1fThhETB7_B7_ETBb_Bb_ETBj_Bj_ETBr_Br_ETBz_Bz_ETBH_BH_ETBP_BP_ETBX_"
                       "BX_ETB15_B15_ETB1d_B1d_ETB1n_B1n_ETB1x_B1x_ETB1H_B1H_EE")
                .substr(0, 5),
            "_RINv");
  for (const char* broken :
       {"_R", "_RNv", "_RB_", "_RNvB1_4main", "_RNvCs_99999999x", "_RIIIIIIII"}) {
    EXPECT_EQ(title_name(broken), broken);
  }
}

}  // namespace
}  // namespace rig::oops
