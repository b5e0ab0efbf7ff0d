// SPDX-License-Identifier: Apache-2.0
#include "verdict/predicate_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fakes/code_location.h"

namespace rig::verdict {
namespace {

using analyzer::CorruptionKind;
using analyzer::Findings;
using fakes::code_in;
using scenario::CorruptionPredicate;
using scenario::PerCpuPredicate;
using testing::HasSubstr;

// A freed object of kmalloc-1k with 0x106 where poison belongs.
Findings poisoned() {
  Findings findings;
  findings.slab.audited = true;
  analyzer::SlabCorruption corruption;
  corruption.kind = CorruptionKind::kPoisonOverwritten;
  corruption.cache = "kmalloc-1k";
  corruption.object = VirtAddr{0xffff888003c0a000};
  corruption.offset = 0x2c8;
  corruption.found = {std::byte{6}, std::byte{1}, std::byte{0}, std::byte{0}};
  corruption.allocated = false;
  corruption.free.emplace();
  corruption.free->stack = {code_in("kfree"), code_in("lc_complete.isra.0", "late_completion")};
  findings.slab.corruptions.push_back(corruption);
  return findings;
}

CorruptionPredicate wanted() {
  CorruptionPredicate predicate;
  predicate.kind = "poison-overwritten";
  predicate.cache = "kmalloc-1024";
  predicate.offset = 0x2c8;
  predicate.bytes = {std::byte{6}, std::byte{1}};
  predicate.allocated = false;
  predicate.freed_by = "lc_complete";
  return predicate;
}

TEST(CorruptionCheck, HoldsForTheCorruptionThatFits) {
  const Findings findings = poisoned();
  const Check check = check_corruption(wanted(), &findings);
  EXPECT_TRUE(check.holds) << check.found;
  EXPECT_THAT(check.found, HasSubstr("+0x2c8, bytes 06 01 00 00"));
}

TEST(CorruptionCheck, TheModuleOfWhoFreedItStandsForItsFunctions) {
  const Findings findings = poisoned();
  auto predicate = wanted();
  predicate.freed_by = "late_completion";
  EXPECT_TRUE(check_corruption(predicate, &findings).holds);
  predicate.freed_by = "aacraid";
  EXPECT_FALSE(check_corruption(predicate, &findings).holds);
}

TEST(CorruptionCheck, EachFieldCanFail) {
  const Findings findings = poisoned();
  const auto fails = [&](auto change) {
    auto predicate = wanted();
    change(predicate);
    return !check_corruption(predicate, &findings).holds;
  };
  EXPECT_TRUE(fails([](auto& p) { p.kind = "freed-twice"; }));
  EXPECT_TRUE(fails([](auto& p) { p.cache = "kmalloc-2k"; }));
  EXPECT_TRUE(fails([](auto& p) { p.offset = 0x2c0; }));
  EXPECT_TRUE(fails([](auto& p) { p.bytes = {std::byte{7}}; }));
  EXPECT_TRUE(fails([](auto& p) { p.bytes = std::vector<std::byte>(5); }));
  EXPECT_TRUE(fails([](auto& p) { p.pointer = 1; }));
  EXPECT_TRUE(fails([](auto& p) { p.allocated = true; }));
  EXPECT_TRUE(fails([](auto& p) { p.allocated_by = "lc_queue"; }));
}

// A free pointer that was counted in is another corruption than one that was written over.
TEST(CorruptionCheck, TheFirstWrongByteOfAFreePointerTellsOneFromAnother) {
  Findings findings = poisoned();
  auto& found = findings.slab.corruptions.front();
  found.kind = CorruptionKind::kFreePointerInvalid;
  found.pointer = VirtAddr{0xff02888003c0a000};
  CorruptionPredicate predicate;
  predicate.kind = "free-pointer-invalid";
  predicate.wrong_byte = 6;
  const Check whole = check_corruption(predicate, &findings);
  EXPECT_FALSE(whole.holds);
  EXPECT_THAT(whole.expected, HasSubstr("wrong from byte 6 on"));
  found.wrong_byte = 7;
  EXPECT_FALSE(check_corruption(predicate, &findings).holds);
  found.wrong_byte = 6;
  EXPECT_TRUE(check_corruption(predicate, &findings).holds);
}

TEST(CorruptionCheck, ACoreThatWasNotAuditedProvesNothing) {
  Findings findings = poisoned();
  findings.slab.audited = false;
  findings.slab.unwalked = {"no types"};
  const Check check = check_corruption(wanted(), &findings);
  EXPECT_FALSE(check.holds);
  EXPECT_THAT(check.found, HasSubstr("not audited: no types"));
  EXPECT_FALSE(check_corruption(wanted(), nullptr).holds);
}

Findings traced() {
  Findings findings;
  for (const char* name :
       {"panic", "oops_end", "skb_release_data", "napi_consume_skb.cold", "net_rx_action"}) {
    findings.backtrace.frames.emplace_back().at = code_in(name);
  }
  findings.backtrace.frames[1].reliable = false;
  return findings;
}

TEST(BacktraceCheck, WantsTheOrderAndAllowsOthersBetween) {
  const Findings findings = traced();
  const auto holds = [&](std::vector<std::string> functions) {
    return check_backtrace(functions, &findings).holds;
  };
  EXPECT_TRUE(holds({"skb_release_data", "net_rx_action"}));
  EXPECT_TRUE(holds({"panic", "napi_consume_skb"}));
  EXPECT_FALSE(holds({"net_rx_action", "skb_release_data"}));
  EXPECT_FALSE(holds({"skb_release_data", "skb_release_data"}));
}

TEST(BacktraceCheck, AGuessedFrameIsNoEvidence) {
  const Findings findings = traced();
  const Check check = check_backtrace(std::vector<std::string>{"oops_end"}, &findings);
  EXPECT_FALSE(check.holds);
  EXPECT_THAT(check.found, HasSubstr("skb_release_data < napi_consume_skb"));
}

Findings counted() {
  Findings findings;
  findings.percpu.push_back({"frees", {{0, 5}, {1, 9}}, ""});
  findings.percpu.push_back({"allocs", {{0, 7}, {1, 6}}, ""});
  findings.percpu.push_back({"gone", {}, "there is no per-CPU variable 'gone'"});
  findings.cpus.resize(2);
  findings.cpus[0].index = 0;
  findings.cpus[1].index = 1;
  findings.cpus[1].panicking = true;
  findings.cpus[1].context.emplace();
  findings.cpus[1].context->preempt_count = 0x80110003;
  findings.cpus[1].context->nmi = 1;
  findings.cpus[1].context->hardirq = 1;
  return findings;
}

PerCpuPredicate percpu(std::string name, PerCpuPredicate::Where where, const char* bound) {
  return {.variable = std::move(name),
          .where = where,
          .cpu = 0,
          .minus = {},
          .is = *scenario::parse_bound(bound, false)};
}

TEST(PerCpuCheck, SumsAnyAllOneAndThePanicked) {
  using Where = PerCpuPredicate::Where;
  const Findings findings = counted();
  const auto holds = [&](Where where, const char* bound) {
    return check_percpu(percpu("frees", where, bound), &findings).holds;
  };
  EXPECT_TRUE(holds(Where::kSum, "14"));
  EXPECT_TRUE(holds(Where::kAny, "9"));
  EXPECT_FALSE(holds(Where::kAll, "9"));
  EXPECT_TRUE(holds(Where::kAll, ">= 5"));
  EXPECT_TRUE(holds(Where::kPanicked, "9"));
  EXPECT_FALSE(holds(Where::kOne, "9"));
}

TEST(PerCpuCheck, MoreFreesThanAllocations) {
  const Findings findings = counted();
  auto predicate = percpu("frees", PerCpuPredicate::Where::kSum, "> 0");
  predicate.minus = "allocs";
  const Check check = check_percpu(predicate, &findings);
  EXPECT_TRUE(check.holds);
  EXPECT_EQ(check.found, "1");
  EXPECT_EQ(check.expected, "frees - allocs > 0 over all CPUs");
  // The other way round it is negative, which is not "> 0".
  predicate.variable = "allocs";
  predicate.minus = "frees";
  EXPECT_FALSE(check_percpu(predicate, &findings).holds);
}

TEST(PerCpuCheck, ContextCountsComeFromThePreemptCount) {
  using Where = PerCpuPredicate::Where;
  const Findings findings = counted();
  EXPECT_TRUE(check_percpu(percpu("nmi", Where::kPanicked, "1"), &findings).holds);
  EXPECT_TRUE(
      check_percpu(percpu("preempt_count", Where::kPanicked, "0x80110003"), &findings).holds);
  EXPECT_FALSE(check_percpu(percpu("softirq", Where::kPanicked, "> 0"), &findings).holds);
}

TEST(PerCpuCheck, WhoStandsWhereAReportBeginsCountsAsThePanicked) {
  using Where = PerCpuPredicate::Where;
  Findings findings = counted();
  findings.cpus[1].panicking = false;
  EXPECT_EQ(check_percpu(percpu("nmi", Where::kPanicked, "1"), &findings).found, "no such CPU");
  findings.cpus[1].at = analyzer::CodeLocation{VirtAddr{0}, "__warn", 0, {}};
  EXPECT_TRUE(check_percpu(percpu("nmi", Where::kPanicked, "1"), &findings).holds);
  EXPECT_TRUE(check_percpu(percpu("frees", Where::kPanicked, "9"), &findings).holds);
}

TEST(PerCpuCheck, SaysWhyThereIsNoValue) {
  const Findings findings = counted();
  const auto found = [&](const char* name) {
    const Check check = check_percpu(percpu(name, PerCpuPredicate::Where::kAny, "1"), &findings);
    EXPECT_FALSE(check.holds);
    return check.found;
  };
  EXPECT_EQ(found("gone"), "there is no per-CPU variable 'gone'");
  EXPECT_EQ(found("never_asked"), "the core was not asked for never_asked");
}

TEST(MemoryCheck, ComparesBytesAndParts) {
  Findings findings;
  findings.memory.meminfo = {{"MemTotal", 1000}, {"MemFree", 40}, {"SwapTotal", 0}};
  const auto check = [&](const char* row, const char* bound) {
    return check_memory({row, *scenario::parse_bound(bound, true)}, &findings);
  };
  EXPECT_TRUE(check("MemFree", "< 5%").holds);
  EXPECT_FALSE(check("MemFree", "< 4%").holds);
  EXPECT_TRUE(check("MemFree", "160K").holds);
  EXPECT_TRUE(check("SwapTotal", "0").holds);
  EXPECT_EQ(check("MemFree", "< 4%").found, "160 KiB (4.0 %)");
  EXPECT_THAT(check("Dirty", "0").found, HasSubstr("does not tell Dirty"));
}

}  // namespace
}  // namespace rig::verdict
