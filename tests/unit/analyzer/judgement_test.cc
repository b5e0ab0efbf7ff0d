// SPDX-License-Identifier: Apache-2.0
#include "analyzer/judgement/judgement.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace rig::analyzer {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr VirtAddr kObject{0xffff888003c0a000};

oops::Report report(std::string kind, std::string title) {
  oops::Report r;
  r.kind = std::move(kind);
  r.title = std::move(title);
  r.function = "skb_release_data";
  r.panicked = true;
  return r;
}

SlabCorruption corruption(CorruptionKind kind, std::string summary) {
  SlabCorruption c;
  c.kind = kind;
  c.cache = "kmalloc-1k";
  c.object = kObject;
  c.object_size = 1024;
  c.offset = 0x2c8;
  c.summary = std::move(summary);
  return c;
}

ObjectTrack freed_by_driver() {
  ObjectTrack track;
  track.stack = {{VirtAddr{1}, "kfree", 0, ""}, {VirtAddr{2}, "lc_complete", 0, "late_completion"}};
  track.cpu = 1;
  track.pid = 42;
  return track;
}

// The fault of late-completion: 0x106 came out of an object in use.
FaultFacts fault() {
  FaultFacts f;
  f.at.function = "skb_release_data";
  f.access = "read";
  f.reg = "RBX";
  f.value = 0x106;
  f.address = 0x106;
  f.source.emplace();
  f.source->offset = 0x2c8;
  f.source->object.emplace();
  f.source->object->address = kObject;
  f.source->object->cache = "kmalloc-1k";
  f.source->object->allocated = true;
  f.source_member = "skb_shared_info.frag_list";
  f.verdict = "RBX = 0x106 was loaded from skb_shared_info.frag_list";
  return f;
}

TEST(Judgement, OfAHealthyGuestFindsNothing) {
  Findings facts;
  facts.slab.audited = true;
  facts.slab.caches.resize(120);
  const Judgement judgement = judge(facts);
  EXPECT_TRUE(judgement.findings.empty());
  EXPECT_THAT(judgement.explanation, HasSubstr("All 120 slab caches are in order"));
}

TEST(Judgement, PutsTheDoubleFreeBeforeWhatFollowsFromIt) {
  Findings facts;
  facts.slab.corruptions = {corruption(CorruptionKind::kCountsWrong, "counts are wrong"),
                            corruption(CorruptionKind::kFreedTwice, "freed twice")};
  facts.slab.corruptions[0].object.reset();
  facts.slab.corruptions[1].free = freed_by_driver();
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 2u);
  EXPECT_EQ(judgement.findings[0].kind, "double-free");
  EXPECT_EQ(judgement.findings[0].confidence, Confidence::kCertain);
  EXPECT_THAT(judgement.findings[0].evidence,
              Contains("freed by lc_complete [late_completion], on CPU 1, by pid 42"));
}

TEST(Judgement, OneObjectIsOneFinding) {
  Findings facts;
  facts.slab.corruptions = {corruption(CorruptionKind::kFreePointerInvalid, "bad pointer"),
                            corruption(CorruptionKind::kFreedTwice, "freed twice")};
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 1u);
  EXPECT_EQ(judgement.findings[0].kind, "double-free");
  EXPECT_THAT(judgement.findings[0].evidence, Contains("bad pointer"));
}

TEST(Judgement, TheSameDoneToSeveralObjectsIsOneFinding) {
  Findings facts;
  for (unsigned i = 0; i < 6; ++i) {
    auto each = corruption(CorruptionKind::kPoisonOverwritten, "poison");
    each.object = kObject + 1024 * i;
    each.found = {std::byte{6}, std::byte{1}};
    each.free = freed_by_driver();
    facts.slab.corruptions.push_back(each);
  }
  facts.slab.corruptions.back().found[0] = std::byte{7};
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 2u) << "other bytes are another matter";
  EXPECT_THAT(judgement.findings[0].evidence,
              Contains(HasSubstr("the same in 4 more objects: 0x")));
}

TEST(Judgement, NamesWhoCalledTheAllocatorEvenFromATailCall) {
  Findings facts;
  auto each = corruption(CorruptionKind::kPoisonOverwritten, "poison");
  each.free.emplace();
  each.free->caller = CodeLocation{VirtAddr{2}, "lc_complete", 0, "late_completion"};
  each.free->stack = {{VirtAddr{1}, "process_one_work", 0, ""}};
  facts.slab.corruptions = {each};
  EXPECT_THAT(judge(facts).findings.at(0).evidence,
              Contains("freed by lc_complete [late_completion]"));
}

TEST(Judgement, ManyCorruptionsAreCountedNotListed) {
  Findings facts;
  for (unsigned i = 0; i < 100; ++i) {
    facts.slab.corruptions.push_back(corruption(CorruptionKind::kPoisonOverwritten, "poison"));
    facts.slab.corruptions.back().object = kObject + 1024 * i;
  }
  const Judgement judgement = judge(facts);
  EXPECT_EQ(judgement.findings.size(), 16u);
  EXPECT_THAT(judgement.findings.back().evidence, Contains(HasSubstr("and 84 more")));
}

TEST(Judgement, AnObjectInUseThatWasAnothersWasWrittenByItsFormerOwner) {
  Findings facts;
  facts.reports = {report("null-deref", "BUG: NULL pointer dereference in skb_release_data")};
  facts.fault = fault();
  ProvenanceFacts was;
  was.object = kObject;
  was.certain = true;
  was.member = "owner";
  was.guesses.push_back({"struct lc_command", "late_completion", 1024, 80, {}});
  facts.provenance = {was};
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 1u);
  EXPECT_EQ(judgement.findings[0].kind, "use-after-free-write");
  EXPECT_EQ(judgement.findings[0].confidence, Confidence::kLikely);
  EXPECT_THAT(judgement.findings[0].summary, HasSubstr("struct lc_command [late_completion]"));
  EXPECT_THAT(judgement.findings[0].evidence,
              Contains("struct lc_command has its member owner at +0x2c8"));
  EXPECT_THAT(judgement.explanation, HasSubstr("The likely cause: "));
}

TEST(Judgement, AGuessOfTheFormerOwnerIsNotTakenForOne) {
  Findings facts;
  facts.fault = fault();
  ProvenanceFacts was;
  was.object = kObject;
  was.guesses.push_back({"struct lc_command", "late_completion", 1024, 8, {}});
  facts.provenance = {was};
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 1u);
  EXPECT_EQ(judgement.findings[0].kind, "object-overwritten");
  EXPECT_THAT(judgement.findings[0].summary, testing::Not(HasSubstr("lc_command")));
}

TEST(Judgement, ReadingFromAFreeObjectIsUseAfterFree) {
  Findings facts;
  facts.fault = fault();
  facts.fault->source->object->allocated = false;
  EXPECT_EQ(judge(facts).findings.at(0).kind, "use-after-free-read");
}

TEST(Judgement, WhoFreedWhatWasReadIsNamedWhereItIsKnown) {
  Findings facts;
  facts.fault = fault();
  facts.fault->source->object->allocated = false;
  facts.fault->source->object->freed_by = freed_by_driver();
  EXPECT_THAT(judge(facts).findings.at(0).evidence,
              Contains(testing::StartsWith("freed by lc_complete [late_completion]")));
}

TEST(Judgement, TheFaultOverADamagedFreelistIsNoFindingOfItsOwn) {
  Findings facts;
  auto bad =
      corruption(CorruptionKind::kFreePointerInvalid, "kmalloc-32's next free object is no object");
  bad.object.reset();
  bad.pointer = VirtAddr{0xffff00088fec6500};
  facts.slab.corruptions = {bad};
  facts.fault = fault();
  facts.fault->value = 0xffff00088fec6500;
  facts.fault->source.reset();
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 1u);
  EXPECT_EQ(judgement.findings[0].kind, "free-pointer-overwritten");
  EXPECT_THAT(judgement.findings[0].evidence, Contains(HasSubstr("the crash followed from it")));
}

// x86_64: "addq %rax, %rcx; movq (%rcx), %rbx" faults on a sum. One of two like it was stumbled
// over.
TEST(Judgement, OfSeveralDamagedFreelistsTheOneThatWasTakenFromComesFirst) {
  Findings facts;
  auto idle = corruption(CorruptionKind::kFreePointerInvalid, "nobody came by here");
  idle.pointer = VirtAddr{0xfffc888006110de0};
  auto bad = corruption(CorruptionKind::kFreePointerInvalid, "the freelist of CPU 0");
  bad.object.reset();
  bad.pointer = VirtAddr{0xfffc88801f460180};
  facts.slab.corruptions = {corruption(CorruptionKind::kFreedTwice, "freed twice"), idle, bad};
  facts.slab.corruptions[1].object = VirtAddr{0xffff8880061101c0};
  facts.fault = fault();
  facts.fault->value = 0xfffc88801f460190;
  facts.fault->source.reset();
  facts.fault->steps.resize(2);
  facts.fault->steps[1].value = 0xfffc88801f460180;
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 3u);
  EXPECT_EQ(judgement.findings[0].kind, "double-free");
  EXPECT_EQ(judgement.findings[1].summary, "the freelist of CPU 0");
  EXPECT_THAT(judgement.findings[1].evidence, Contains(HasSubstr("the crash followed from it")));
  EXPECT_EQ(judgement.findings[2].summary, "nobody came by here");
}

TEST(Judgement, KasanCaughtInTheActComesFirst) {
  Findings facts;
  auto caught = report("kasan-use-after-free", "KASAN: use-after-free Write in late_write");
  caught.access = "write";
  caught.cache = "kmalloc-1k";
  facts.reports = {caught};
  facts.slab.corruptions = {corruption(CorruptionKind::kCountsWrong, "counts are wrong")};
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 2u);
  EXPECT_EQ(judgement.findings[0].kind, "use-after-free-write");
}

TEST(Judgement, AFreeThatSlubRefusedIsADoubleFree) {
  Findings facts;
  facts.reports = {report("kernel-bug", "kernel BUG in toa_getname")};
  facts.reports[0].function = "toa_getname";
  facts.reports[0].module = "toa";
  facts.reports[0].frames = {{"__slab_free", 0, 0, "", true}, {"kfree", 0, 0, "", true}};
  const auto found = judge(facts).findings;
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].kind, "double-free");
  EXPECT_THAT(found[0].summary, HasSubstr("the second time by toa_getname [toa]"));
}

// At slab_bug(), below a free of an object that register RBX holds.
Findings stopped_in_a_free(bool allocated) {
  Findings facts;
  CpuFacts cpu;
  cpu.at = CodeLocation{VirtAddr{1}, "slab_bug", 0, ""};
  facts.cpus = {cpu};
  for (const char* function : {"slab_bug", "object_err", "free_to_partial_list.cold", "kfree"}) {
    BacktraceFrame frame;
    frame.at.function = function;
    facts.backtrace.frames.push_back(frame);
  }
  BacktraceFrame caller;
  caller.at.function = "toa_getname";
  caller.at.module = "toa";
  facts.backtrace.frames.push_back(caller);
  PointerFacts pointer{"register RBX", kObject, {}, SlabObject{}, 0};
  pointer.object->address = kObject;
  pointer.object->cache = "kmalloc-8";
  pointer.object->allocated = allocated;
  pointer.object->freed_by = freed_by_driver();
  facts.pointers = {pointer};
  return facts;
}

TEST(Judgement, AStopInAFreeOfAFreeObjectIsADoubleFree) {
  const auto found = judge(stopped_in_a_free(false)).findings;
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].kind, "double-free");
  EXPECT_EQ(found[0].object, kObject);
  EXPECT_THAT(found[0].summary, HasSubstr("was freed again by toa_getname [toa]"));
  EXPECT_THAT(found[0].evidence, Contains(HasSubstr("freed by lc_complete")));
}

TEST(Judgement, AStopInAFreeOfAnObjectInUseIsNone) {
  for (const Finding& each : judge(stopped_in_a_free(true)).findings) {
    EXPECT_NE(each.kind, "double-free");
  }
}

TEST(Judgement, AnotherBugIsNone) {
  Findings facts;
  facts.reports = {report("kernel-bug", "kernel BUG in ext4_writepages")};
  facts.reports[0].frames = {{"ext4_writepages", 0, 0, "", true}};
  const auto found = judge(facts).findings;
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].kind, "kernel-report");
}

TEST(Judgement, KasansReportNamesWhoHadTheObjectThatItIsAbout) {
  Findings facts;
  facts.reports = {report("kasan-use-after-free", "BUG: KASAN: use-after-free in late_write")};
  facts.reports[0].address = raw(kObject) + 0x2c8;
  PointerFacts pointer{"address of the report", kObject + 0x2c8, {}, SlabObject{}, 0x2c8};
  pointer.object->address = kObject;
  pointer.object->object_size = 1024;
  pointer.object->allocated = false;
  pointer.object->freed_by = freed_by_driver();
  facts.pointers = {pointer};
  const auto found = judge(facts).findings;
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].object, kObject);
  EXPECT_THAT(found[0].evidence,
              Contains("freed by lc_complete [late_completion], on CPU 1, by pid 42"));
}

TEST(Judgement, AnAccessBehindAnObjectIsAboutThatObject) {
  Findings facts;
  facts.reports = {report("kasan-slab-out-of-bounds", "BUG: KASAN: slab-out-of-bounds in scan")};
  facts.reports[0].address = raw(kObject) + 0x58;
  facts.pointers = {{"address of the report", kObject + 0x58, {}, SlabObject{}, 0x58}};
  facts.pointers[0].object->address = kObject;
  facts.pointers[0].object->object_size = 0x58;
  const auto found = judge(facts).findings;
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].object, kObject);
}

TEST(Judgement, WhatSlubOnlyNoticedComesAfterWhatTheAuditProves) {
  Findings facts;
  auto said = report("slub-wrong-cache", "SLUB: wrong slab cache in driver_free");
  said.cache = "heap_other";
  facts.reports = {said};
  facts.slab.corruptions = {corruption(CorruptionKind::kFreedTwice, "freed twice")};
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 2u);
  EXPECT_EQ(judgement.findings[0].kind, "double-free");
  EXPECT_EQ(judgement.findings[1].kind, "slab-damaged");
}

TEST(Judgement, SlubsReportAndTheAuditAreOneFinding) {
  Findings facts;
  auto said = report("slub-poison-overwritten", "SLUB: poison overwritten in lc_complete");
  said.cache = "kmalloc-1k";
  facts.reports = {said};
  facts.slab.corruptions = {corruption(CorruptionKind::kPoisonOverwritten, "poison")};
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 1u);
  EXPECT_THAT(judgement.findings[0].evidence, Contains(HasSubstr("the kernel reported it")));
}

TEST(Judgement, NullBehindAMemberIsANullDereference) {
  Findings facts;
  facts.fault = fault();
  facts.fault->value = 0;
  facts.fault->address = 0xd0;
  facts.fault->offset = 0xd0;
  facts.fault->member = "kmem_cache.memcg_params";
  facts.fault->source.reset();
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 1u);
  EXPECT_EQ(judgement.findings[0].kind, "null-dereference");
  EXPECT_EQ(judgement.findings[0].summary, "read of kmem_cache.memcg_params behind a NULL pointer");
}

// A warning's way: a kprobe's handler in a module, and below it what the breakpoint interrupted.
Findings in_kprobe() {
  Findings facts;
  facts.cpus.resize(1);
  facts.cpus[0].index = 3;
  facts.cpus[0].context.emplace();
  facts.cpus[0].context->preempt_count = 0x80110003;
  facts.cpus[0].context->nmi = 1;
  facts.cpus[0].context->hardirq = 1;
  const auto frame = [&](const char* function, const char* module, const char* exception) {
    facts.backtrace.frames.push_back({});
    facts.backtrace.frames.back().at = {VirtAddr{0}, function, 7, module};
    facts.backtrace.frames.back().exception = exception;
  };
  frame("__warn", "", "");
  frame("asm_exc_invalid_op", "", "");
  frame("irq_fpu_usable", "", "asm_exc_invalid_op");
  frame("kmem_cache_alloc", "", "");
  frame("kna_area_read", "kprobe_nmi_alloc", "");
  frame("asm_exc_int3", "", "");
  frame("copy_page_to_iter", "", "asm_exc_int3");
  frame("ext4_file_read_iter", "ext4", "");
  return facts;
}

TEST(Judgement, AWarningInAnNmiIsAboutTheContext) {
  Findings facts = in_kprobe();
  auto warned = report("warning", "WARNING in irq_fpu_usable");
  warned.function = "irq_fpu_usable";
  facts.reports = {warned};
  facts.cpus[0].panicking = true;
  const Judgement judgement = judge(facts);
  ASSERT_FALSE(judgement.findings.empty());
  EXPECT_EQ(judgement.findings[0].kind, "in-nmi-context");
  EXPECT_THAT(judgement.findings[0].evidence,
              ElementsAre(HasSubstr("preempt_count 0x80110003 on CPU 3: NMI 1"),
                          "called from kna_area_read [kprobe_nmi_alloc]",
                          "asm_exc_int3 interrupted copy_page_to_iter"));
}

TEST(Judgement, AStopInFrontOfAWarningIsAboutTheContextToo) {
  Findings facts = in_kprobe();
  facts.cpus[0].at = CodeLocation{VirtAddr{0}, "__warn", 0, {}};
  const Judgement judgement = judge(facts);
  ASSERT_FALSE(judgement.findings.empty());
  EXPECT_EQ(judgement.findings[0].kind, "in-nmi-context");
  EXPECT_EQ(judgement.findings[0].summary,
            "irq_fpu_usable ran in NMI context, where it must not: WARNING in irq_fpu_usable");
}

TEST(Judgement, AStopInFrontOfAnOopsIsNotAboutTheContext) {
  Findings facts = in_kprobe();
  facts.cpus[0].at = CodeLocation{VirtAddr{0}, "oops_enter", 0, {}};
  EXPECT_THAT(judge(facts).findings, IsEmpty());
}

TEST(Judgement, MemoryThatWasAlmostGoneIsSaidLast) {
  Findings facts;
  facts.slab.corruptions = {corruption(CorruptionKind::kFreedTwice, "freed twice")};
  facts.memory.meminfo = {{"MemTotal", 100000}, {"MemAvailable", 700}, {"SwapTotal", 0}};
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 2u);
  EXPECT_EQ(judgement.findings[1].kind, "memory-exhausted");
  EXPECT_THAT(judgement.findings[1].evidence, Contains("there is no swap"));
}

TEST(Judgement, WhatNothingExplainsIsOnlyRepeated) {
  Findings facts;
  facts.reports = {report("kernel-bug", "kernel BUG in f")};
  const Judgement judgement = judge(facts);
  ASSERT_EQ(judgement.findings.size(), 1u);
  EXPECT_EQ(judgement.findings[0].kind, "kernel-report");
  EXPECT_THAT(judgement.explanation, HasSubstr("Nothing in the core explains it further"));
}

}  // namespace
}  // namespace rig::analyzer
