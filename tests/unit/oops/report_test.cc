// SPDX-License-Identifier: Apache-2.0
#include "oops/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fakes/cpu_watch.h"
#include "oops/report_formats.h"
#include "oops/report_pattern.h"
#include "oops/report_stack.h"

namespace rig::oops {
namespace {

using ::testing::Contains;

TEST(Prefix, EverythingBeforeTheKernelsTextIsStripped) {
  constexpr std::string_view kText = "BUG: x";
  for (const std::string prefix :
       {"", "[    3.123456] ", "[    3.123456][  T123] ", "[    3.123456] [    C1] ",
        "<4>[    3.123456] ", "<1>", "Mar  1 12:00:00 host kernel: [    3.123456] ",
        "2023-01-01T00:00:00.000000+00:00 host kernel: ", "6,1234,5678901,-;",
        "4,1234,5678901,-,caller=T9;", "[Mon Mar 14 12:00:00 2022] ", "login: [    3.123456] "}) {
    EXPECT_EQ(strip_prefix(prefix + std::string(kText)), kText) << prefix;
  }
}

TEST(Prefix, OldStacksAndBracketedWordsAreNoTimestamp) {
  EXPECT_EQ(strip_prefix("[<ffffffff8116616e>] f+0x5e/0x140"), "[<ffffffff8116616e>] f+0x5e/0x140");
  EXPECT_EQ(strip_prefix("[ INFO: possible ]"), "[ INFO: possible ]");
  EXPECT_EQ(strip_prefix("[12:30] x"), "[12:30] x");
  EXPECT_EQ(strip_prefix("[  1.2"), "[  1.2");
}

TEST(Prefix, OnlyTheKernelsOwnStampCounts) {
  EXPECT_TRUE(has_kernel_stamp("[    3.123456] x"));
  EXPECT_TRUE(has_kernel_stamp("6,1234,5678901,-;x"));
  EXPECT_FALSE(has_kernel_stamp("x"));
  EXPECT_FALSE(has_kernel_stamp("[<ffffffff8116616e>] f"));
}

struct FirstLine {
  const char* line;
  const char* kind;
};

TEST(StartsReport, KnowsOldAndNewSpellings) {
  constexpr FirstLine kLines[] = {
      {"BUG: kernel NULL pointer dereference, address: 0000000000000106", "null-deref"},
      {"BUG: unable to handle kernel NULL pointer dereference at 0000000000000106", "null-deref"},
      {"BUG: unable to handle kernel NULL pointer dereference at           (null)", "null-deref"},
      {"Unable to handle kernel NULL pointer dereference at virtual address 00000000000000d0",
       "null-deref"},
      {"BUG: unable to handle page fault for address: ffffc90000a00000", "paging-fault"},
      {"BUG: unable to handle kernel paging request at ffff8a007365735f", "paging-fault"},
      {"Unable to handle kernel paging request at virtual address dead000000000108",
       "paging-fault"},
      {"Unable to handle kernel write to read-only memory at virtual address ffff8000101a0000",
       "paging-fault"},
      {"general protection fault: 0000 [#1] SMP", "gpf"},
      {"general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP", "gpf"},
      {"Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
       "gpf"},
      {"BUG: Kernel NULL pointer dereference on read at 0x00000008", "null-deref"},
      {"Unable to handle kernel NULL pointer dereference at virtual address 00000004 when read",
       "null-deref"},
      {"BUG: Unable to handle kernel data access on write at 0xc0000000deadbeef", "paging-fault"},
      {"BUG: Unable to handle kernel instruction fetch", "paging-fault"},
      {"Oops: general protection fault, maybe for address 0xffff888000000000: 0000 [#1] SMP",
       "gpf"},
      {"Oops: double fault: 0000 [#1] SMP", "double-fault"},
      {"PANIC: early exception 0x0e IP 10:ffffffff81234567 error 0 cr2 0x10", "early-exception"},
      {"Bad pagetable: 000f [#1] PREEMPT SMP", "bad-pagetable"},
      {"Oops [#1]", "oops"},
      {"Oops - illegal instruction [#1]", "invalid-opcode"},
      {"Oops: Kernel access of bad area, sig: 11 [#1]", "oops"},
      {"CFI failure at f+0x12/0x34 (target: g+0x0/0x10; expected type: 0x12345678)", "cfi"},
      {"CFI failure (target: [<ffffffff81234567>] g+0x0/0x10):", "cfi"},
      {"UBSAN: array index out of bounds at f+0x12/0x34", "ubsan-array-index-out-of-bounds"},
      {"WARNING: CPU: 0 PID: 1 at f+0x12/0x34", "warning"},
      {"Slab corruption (Not tainted): kmalloc-32 start=ffff888012345678, len=32",
       "slab-corruption"},
      {"BUG kmalloc-32 (Not tainted): Slab has 3 allocated objects but 4 are to be freed",
       "slub-slab-corrupt"},
      {"INFO: rcu_tasks_trace detected stalls? (Late IPI?)", "rcu-stall"},
      {"INFO: task khugepaged:34 blocked in I/O wait for more than 143 seconds.", "hung-task"},
      {"watchdog: CPU 0 self-detected hard LOCKUP @ f+0x12/0x34", "hard-lockup"},
      {"BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[23]", "leaked-atomic"},
      {"divide error: 0000 [#1] PREEMPT SMP", "divide-error"},
      {"Oops: divide error: 0000 [#1] SMP", "divide-error"},
      {"invalid opcode: 0000 [#1] SMP", "invalid-opcode"},
      {"traps: PANIC: double fault, error_code: 0x0", "double-fault"},
      {"BUG: stack guard page was hit at 00000000f0f0f0f0 (stack is 0..1)", "stack-guard-hit"},
      {"BUG: TASK stack guard page was hit at ffffc90000a00ff8 (stack is 0..1)", "stack-guard-hit"},
      {"BUG: TASK stack guard page was hit at (____ptrval____) (stack is "
       "(____ptrval____)..(____ptrval____))",
       "stack-guard-hit"},
      {"Insufficient stack space to handle exception!", "stack-guard-hit"},
      {"Unable to handle kernel execution of user memory at virtual address 0000ffff8a6f1000",
       "paging-fault"},
      {"kernel BUG at mm/slub.c:379!", "kernel-bug"},
      {"WARNING: CPU: 3 PID: 3347 at arch/x86/kernel/fpu/core.c:60 irq_fpu_usable+0x39/0x50",
       "warning"},
      {"WARNING: at fs/dcache.c:338 dentry_free+0xa8/0xb8()", "warning"},
      {"WARNING: net/mac80211/tx.c:5024 at f+0x125d/0x1630, CPU#1: syz.9.803/11907", "warning"},
      {"Kernel panic - not syncing: Fatal exception in interrupt", "panic"},
      {"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: f+0x1/0x2",
       "stack-protector"},
      {"BUG: KASAN: use-after-free in late_write+0x5d/0x90 [late_completion]",
       "kasan-use-after-free"},
      {"BUG: KASAN: slab-use-after-free in f+0x5d/0x90", "kasan-use-after-free"},
      {"BUG: KASAN: slab-out-of-bounds in f+0x5d/0x90", "kasan-slab-out-of-bounds"},
      {"BUG: KASAN: double-free in f+0x5d/0x90", "kasan-double-free"},
      {"BUG: KASAN: double-free or invalid-free in f+0x5d/0x90", "kasan-invalid-free"},
      {"BUG: KASAN: null-ptr-deref in f+0x5d/0x90", "kasan-null-ptr-deref"},
      {"BUG: KASAN: wild-memory-access on address dead000000000108", "kasan-wild-memory-access"},
      {"BUG: KFENCE: use-after-free read in f+0x5d/0x90", "kfence-use-after-free"},
      {"BUG: KFENCE: memory corruption in f+0x5d/0x90", "kfence-memory-corruption"},
      {"UBSAN: array-index-out-of-bounds in drivers/x.c:12:3", "ubsan-array-index-out-of-bounds"},
      {"BUG kmalloc-1k (Tainted: G           OE     ): Poison overwritten",
       "slub-poison-overwritten"},
      {"BUG kmalloc-32 (Not tainted): Right Redzone overwritten", "slub-redzone-overwritten"},
      {"BUG kmalloc-32 (Not tainted): Redzone overwritten", "slub-redzone-overwritten"},
      {"BUG ext4_inode_cache (Tainted: G    B): Object already free", "slub-object-already-free"},
      {"BUG kmalloc-8 (Not tainted): Freechain corrupt", "slub-freechain-corrupt"},
      {"BUG kmalloc-8 (Not tainted): Freepointer corrupt", "slub-freechain-corrupt"},
      {"BUG kmalloc-8 (Not tainted): Padding overwritten. 0x1-0x2 @offset=3",
       "slub-padding-overwritten"},
      {"cache_from_obj: Wrong slab cache. kmalloc-64 but object is from kmalloc-32",
       "slub-wrong-cache"},
      {"virt_to_cache: Object is not a Slab page!", "slub-not-a-slab-page"},
      {"list_del corruption. prev->next should be ffff, but was dead", "list-corruption"},
      {"list_add corruption. next->prev should be prev", "list-corruption"},
      {"refcount_t: underflow; use-after-free.", "refcount"},
      {"usercopy: Kernel memory exposure attempt detected from SLUB object 'kmalloc-32' (offset 0, "
       "size 64)!",
       "usercopy"},
      {"detected buffer overflow in memcpy", "fortify"},
      {"WARNING: possible circular locking dependency detected", "lockdep"},
      {"[ INFO: possible recursive locking detected ]", "lockdep"},
      {"WARNING: inconsistent lock state", "lockdep"},
      {"rcu: INFO: rcu_preempt self-detected stall on CPU", "rcu-stall"},
      {"INFO: rcu_sched detected stalls on CPUs/tasks:", "rcu-stall"},
      {"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [load:99]", "soft-lockup"},
      {"NMI watchdog: Watchdog detected hard LOCKUP on cpu 0", "hard-lockup"},
      {"INFO: task load:99 blocked for more than 120 seconds.", "hung-task"},
      {"BUG: scheduling while atomic: load/99/0x00000002", "scheduling-while-atomic"},
      {"load invoked oom-killer: gfp_mask=0x140cca, order=0, oom_score_adj=0", "oom-kill"},
      {"load: page allocation failure: order:4, mode:0x40cc0", "page-allocation-failure"},
      {"mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 1: b200000000000000",
       "machine-check"},
  };
  for (const FirstLine& first : kLines) {
    const std::string line = std::string("[    3.123456] ") + first.line;
    EXPECT_EQ(starts_report(line).value_or("nothing"), first.kind) << line;
  }
}

TEST(StartsReport, OrdinaryLinesAreNone) {
  for (const char* line : {"",
                           "[    0.0",
                           "Command line: note=\"Kernel panic\" x",
                           "kasan: KernelAddressSanitizer initialized",
                           "Debug: BUG: is only a word",
                           "WARNING: this driver is old",
                           "DEBUG kmalloc-8 (x): y",
                           "Booting with panic_on_warn",
                           "Kernel panic timeout is 10 s",
                           "BUG:",
                           "Oops: I did it again",
                           "mce: [Hardware Error]: Machine check events logged",
                           "KASAN: disabled",
                           "UBSAN: enabled",
                           "kfence: initialized",
                           "Oops",
                           "Oopsed",
                           "CFI failures are fatal",
                           "pr_err(\"%s: Wrong slab cache. %s but object is from %s\\n\",",
                           "---[ end Kernel panic - not syncing: Fatal exception ]---",
                           "rcu: RCU stall timeout is 21 s",
                           "general protection faultless"}) {
    EXPECT_FALSE(starts_report(line)) << line;
    EXPECT_FALSE(starts_report(std::string("[    3.123456] ") + line)) << line;
  }
}

TEST(KnownKinds, HoldTheOnesThatScenariosName) {
  const auto kinds = known_kinds();
  for (const char* kind : {"null-deref", "slub-poison-overwritten", "kasan-use-after-free", "gpf",
                           "warning", "paging-fault", "slub-object-already-free"}) {
    EXPECT_THAT(kinds, Contains(kind));
  }
  EXPECT_TRUE(std::is_sorted(kinds.begin(), kinds.end()));
}

TEST(Formats, EverySpellingIsAValidPatternWithANeedle) {
  for (const Format& format : formats()) {
    EXPECT_FALSE(format.needles.empty()) << format.family;
    for (const Spelling& spelling : format.spellings) {
      EXPECT_TRUE(Pattern(spelling.pattern).valid()) << spelling.pattern;
      if (spelling.kind.find('{') != std::string_view::npos) {
        EXPECT_FALSE(format.bugs.empty()) << spelling.kind;
      }
    }
  }
}

TEST(Stack, FramesOfAllSpellingsAreRead) {
  const auto plain = parse_frame(" ixgbe_poll+0x7d7/0x14a0 [ixgbe]");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->function, "ixgbe_poll");
  EXPECT_EQ(plain->offset, 0x7d7u);
  EXPECT_EQ(plain->size, 0x14a0u);
  EXPECT_EQ(plain->module, "ixgbe");
  EXPECT_TRUE(plain->reliable);
  const auto old = parse_frame(" [<ffffffff8116616e>] ? f.isra.3+0x5e/0x140");
  ASSERT_TRUE(old);
  EXPECT_EQ(old->function, "f");
  EXPECT_FALSE(old->reliable);
  EXPECT_EQ(parse_frame("f mm/slub.c:1 [inline]")->function, "f");
  EXPECT_EQ(parse_frame(" f+0x18/0x20 [ext4 0123abcd]")->module, "ext4");
  EXPECT_EQ(parse_frame("[<801654a4>] (callee) from [<8163f8d8>] (caller+0x88/0x3a0)")->function,
            "callee");
  EXPECT_FALSE(parse_frame("Call Trace:"));
  EXPECT_FALSE(parse_frame("RIP: 0010:f+0x1/0x2"));
  EXPECT_FALSE(parse_frame("fix it at +0x1/0x2 later"));
}

TEST(Stack, AnotherCpusLinesAreNotMixedIn) {
  const auto reports = parse_reports(
      "[    1.000000][    T1] BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
      "[    1.000000][    T2] RIP: 0010:innocent+0x1/0x2\n"
      "[    1.000001][    T1] RIP: 0010:guilty+0x1/0x2\n"
      "[    1.000001][    T2] BUG: KASAN: use-after-free in second+0x1/0x2\n"
      "[    1.000002][    T1] ---[ end trace 0 ]---\n");
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[0].function, "guilty");
  EXPECT_EQ(reports[1].function, "second");
  EXPECT_EQ(reports[1].first_line, 3u);
}

// Linux 6.1.192: kmem_cache_free() of an object of another cache.
TEST(Report, FreeingToTheWrongCacheIsOneReportOfTheObjectsOwnCache) {
  const auto reports = parse_reports(
      "[    4.076323] ------------[ cut here ]------------\n"
      "[    4.076336] cache_from_obj: Wrong slab cache. heap_other but object is from heap_own\n"
      "[    4.076555] WARNING: CPU: 0 PID: 1 at mm/slab.h:665 cache_from_obj+0xa1/0x120\n"
      "[    4.077809] RIP: 0010:cache_from_obj+0xa1/0x120\n"
      "[    4.078253] Call Trace:\n"
      "[    4.078673]  <TASK>\n"
      "[    4.079056]  kmem_cache_free+0x15/0x310\n"
      "[    4.079181]  hf_free_victim+0xa/0x10 [heap_faults]\n"
      "[    4.079775]  </TASK>\n"
      "[    4.079818] ---[ end trace 0000000000000000 ]---\n");
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].kind, "slub-wrong-cache");
  EXPECT_EQ(reports[0].cache, "heap_own");
  EXPECT_EQ(reports[0].function, "hf_free_victim");
  EXPECT_EQ(reports[0].title, "SLUB: wrong slab cache in hf_free_victim");
}

TEST(Slub, AFreeOfWhatIsInNoSlabIsOneReportWithItsWarning) {
  const auto reports = parse_reports(
      "[   97.941470] ext4_free_in_core_inode: inode 0 still in fc list\n"
      "[   97.941700] ------------[ cut here ]------------\n"
      "[   97.941985] virt_to_cache: Object is not a Slab page!\n"
      "[   97.942260] WARNING: CPU: 1 PID: 0 at mm/slab.h:630 kmem_cache_free+0x2ec/0x370\n"
      "[   97.943000] pc : kmem_cache_free+0x2ec/0x370\n"
      "[   97.943100] lr : kmem_cache_free+0x2ec/0x370\n"
      "[   97.943200] Call trace:\n"
      "[   97.943300]  kmem_cache_free+0x2ec/0x370\n"
      "[   97.943400]  ext4_free_in_core_inode+0x40/0x70 [ext4]\n"
      "[   97.943500]  rcu_do_batch+0x154/0x450\n"
      "[   97.943600] ---[ end trace 0000000000000000 ]---\n");
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].kind, "slub-not-a-slab-page");
  EXPECT_EQ(reports[0].function, "ext4_free_in_core_inode");
}

TEST(Panic, ThatFollowsFromAReportIsNoReportOfItsOwn) {
  const auto reports = parse_reports(
      "[    1.000000] WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n"
      "[    1.000001] ---[ end trace 0 ]---\n"
      "[    1.000002] something else\n"
      "[    1.000003] Kernel panic - not syncing: panic_on_warn set ...\n");
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_TRUE(reports[0].panicked);
}

TEST(Panic, WithAReasonOfItsOwnIsAReportToo) {
  const auto reports = parse_reports(
      "[    1.000000] WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n"
      "[    1.000001] ---[ end trace 0 ]---\n"
      "[    9.000002] something else\n"
      "[    9.000003] Kernel panic - not syncing: VFS: Unable to mount root fs on "
      "unknown-block(0,0)\n");
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[1].title,
            "kernel panic: VFS: Unable to mount root fs on unknown-block(NUM,NUM)");
  EXPECT_TRUE(reports[0].panicked);
}

// Without the bound each line would touch every report: minutes.
TEST(Panic, ThatIsRepeatedAfterManyReportsCostsLittle) {
  std::string log;
  for (int i = 0; i < 10'000; ++i) log += "WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n";
  for (int i = 0; i < 300'000; ++i) log += "Kernel panic - not syncing: panic_on_warn set ...\n";
  const fake::CpuWatch watch;
  const auto reports = parse_reports(log);
  EXPECT_LT(watch.seconds(), 5);
  EXPECT_TRUE(std::ranges::all_of(reports, &Report::panicked));
}

TEST(Cause, IsTheFirstReportThatHealthyKernelsDoNotMake) {
  const auto reports = parse_reports(
      "[    1.000000] load: page allocation failure: order:4, mode:0x40cc0\n"
      "[    1.000001] Call Trace:\n"
      "[    1.000002]  warn_alloc+0x1/0x2\n"
      "[    9.000000] BUG: kernel NULL pointer dereference, address: 0000000000000106\n"
      "[    9.000001] RIP: 0010:guilty+0x1/0x2\n"
      "[    9.000002] ---[ end trace 0 ]---\n"
      "[    9.000003] Kernel panic - not syncing: Fatal exception\n");
  ASSERT_EQ(reports.size(), 2u);
  const auto found = cause(reports);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, "null-deref");
  EXPECT_EQ(found->address, 0x106u);
}

TEST(Cause, IsNothingWhenTheKernelLivedOn) {
  EXPECT_FALSE(cause(parse_reports("load: page allocation failure: order:4, mode:0x40cc0\n")));
  EXPECT_FALSE(cause({}));
}

TEST(Cause, IsTheLackOfMemoryWhenTheKernelPanickedOfIt) {
  const auto found = cause(parse_reports(
      "[    1.000000] load invoked oom-killer: gfp_mask=0x140cca, order=0, oom_score_adj=0\n"
      "[    1.000001] Kernel panic - not syncing: Out of memory: compulsory panic_on_oom\n"));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->panicked);
}

TEST(Report, WithoutStackIsCorrupted) {
  const auto reports = parse_reports(
      "[    1.000000] BUG: kernel NULL pointer dereference, address: 00000000000001\n");
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_TRUE(reports[0].corrupted);
  EXPECT_EQ(reports[0].address, 1u);
}

TEST(Report, HostileTextNeitherCrashesNorHangs) {
  std::string text = "BUG: KASAN: use-after-free in ";
  for (int i = 0; i < 256; ++i) text += static_cast<char>(i);
  for (int i = 0; i < 14; ++i) text += text;
  const fake::CpuWatch watch;
  parse_reports(text);
  parse_reports(std::string(1 << 20, '['));
  parse_reports(std::string(1 << 20, '\n'));
  EXPECT_LT(watch.seconds(), 5);
}

// The figure is what a flood on a console costs; the bound only catches a loss by an order.
TEST(Report, AFloodOfOrdinaryLinesCostsLittle) {
  std::string log;
  while (log.size() < 64u << 20) {
    log += "[   12.345678] usb 1-1: new high-speed USB device number 7 using xhci_hcd, port 3\n";
  }
  const fake::CpuWatch watch;
  EXPECT_TRUE(parse_reports(log).empty());
  const double speed = static_cast<double>(log.size()) / 1e6 / watch.seconds();
  RecordProperty("megabytes_per_second", std::to_string(speed));
  std::printf("parse_reports: %.0f MB/s\n", speed);
  EXPECT_GT(speed, 20);
}

}  // namespace
}  // namespace rig::oops
