// SPDX-License-Identifier: Apache-2.0
#include "verdict/signature.h"

#include <gtest/gtest.h>

#include "fakes/code_location.h"
#include "verdict/verdict.h"

namespace rig::verdict {
namespace {

using analyzer::Findings;
using fakes::code_in;

oops::Report report(std::string kind, std::string function, std::uint64_t address) {
  oops::Report r;
  r.kind = std::move(kind);
  r.title = r.kind + " in " + function;
  r.function = std::move(function);
  r.address = address;
  r.panicked = true;
  return r;
}

analyzer::BacktraceFrame frame(std::string function, std::string exception = {}) {
  analyzer::BacktraceFrame each;
  each.at = code_in(std::move(function));
  each.exception = std::move(exception);
  return each;
}

// A fault of skb_release_data over the number that a kmalloc-1k object holds.
Findings late_completion() {
  Findings findings;
  findings.slab.audited = true;
  findings.reports = {report("null-deref", "skb_release_data", 0x106)};
  for (const char* name : {"panic", "page_fault_oops"})
    findings.backtrace.frames.push_back(frame(name));
  findings.backtrace.frames.push_back(frame("skb_release_data", "asm_exc_page_fault"));
  findings.backtrace.frames.push_back(frame("napi_consume_skb.isra.0"));
  findings.fault.emplace();
  findings.fault->reg = "RBX";
  findings.fault->value = 0x106;
  findings.fault->source.emplace();
  findings.fault->source->offset = 0x2c8;
  auto& object = findings.fault->source->object.emplace();
  object.address = VirtAddr{0xffff888003c0a000};
  object.cache = "kmalloc-1k";
  object.object_size = 1024;
  object.content.resize(1024);
  object.content[0x2c8] = std::byte{0x06};
  object.content[0x2c9] = std::byte{0x01};
  return findings;
}

// A cache of which an object was freed twice.
Findings double_free() {
  Findings findings;
  findings.slab.audited = true;
  findings.reports = {report("paging-fault", "__kmalloc", 0xffff8a007365735f)};
  findings.backtrace.frames.push_back(frame("__kmalloc", "asm_exc_page_fault"));
  analyzer::SlabCorruption corruption;
  corruption.kind = analyzer::CorruptionKind::kFreedTwice;
  corruption.cache = "kmalloc-8";
  corruption.object = VirtAddr{0xffff888003c0a008};
  corruption.found = std::vector<std::byte>(8, std::byte{0xff});
  corruption.free.emplace();
  corruption.free->stack = {code_in("kfree"), code_in("toa_getname", "toa")};
  findings.slab.corruptions = {corruption, corruption};
  return findings;
}

bool matches(const scenario::Expectation& signature, const Findings& findings) {
  Observation seen;
  seen.crashed = true;
  seen.report = oops::cause(findings.reports);
  seen.findings = &findings;
  return judge(signature, seen).outcome == Outcome::kExpectedCrash;
}

TEST(Signature, MatchesItsOwnCoreAndNoOther) {
  EXPECT_TRUE(matches(signature_of(late_completion()), late_completion()));
  EXPECT_TRUE(matches(signature_of(double_free()), double_free()));
  EXPECT_FALSE(matches(signature_of(late_completion()), double_free()));
  EXPECT_FALSE(matches(signature_of(double_free()), late_completion()));
}

TEST(Signature, SaysWhereTheNumberLayThatWasNoPointer) {
  const auto signature = signature_of(late_completion());
  ASSERT_TRUE(signature.object);
  EXPECT_EQ(signature.object->holds, 0x106u);
  EXPECT_EQ(signature.object->offset, 0x2c8u);
  EXPECT_EQ(signature.object->cache, "kmalloc-1k");
  EXPECT_EQ(signature.report->address, 0x106u);
}

TEST(Signature, BeginsTheBacktraceAtTheFunctionThatFaulted) {
  Findings findings = late_completion();
  EXPECT_TRUE(signature_of(findings).backtrace.empty()) << "memory tells more than the way there";
  findings.fault.reset();
  EXPECT_EQ(signature_of(findings).backtrace,
            (std::vector<std::string>{"skb_release_data", "napi_consume_skb"}));
}

TEST(Signature, BeginsAtTheFunctionOfTheReportAndNotAtWhatABreakpointInterruptedBelowIt) {
  Findings findings;
  findings.reports = {report("warning", "irq_fpu_usable", 0)};
  for (const auto& [function, exception] :
       std::vector<std::pair<const char*, const char*>>{{"asm_exc_invalid_op", ""},
                                                        {"irq_fpu_usable", "asm_exc_invalid_op"},
                                                        {"kmem_cache_alloc", ""},
                                                        {"asm_exc_int3", ""},
                                                        {"copy_page_to_iter", "asm_exc_int3"}}) {
    findings.backtrace.frames.push_back(frame(function, exception));
  }
  EXPECT_EQ(signature_of(findings).backtrace,
            (std::vector<std::string>{"irq_fpu_usable", "kmem_cache_alloc", "asm_exc_int3"}));
}

TEST(Signature, LeavesOutWhatDiffersFromBootToBoot) {
  const auto signature = signature_of(double_free());
  EXPECT_FALSE(signature.report->address);
  ASSERT_EQ(signature.corruptions.size(), 1u) << "the same twice is one";
  EXPECT_FALSE(signature.corruptions[0].bytes);
  EXPECT_FALSE(signature.corruptions[0].pointer);
  EXPECT_EQ(signature.corruptions[0].freed_by, "toa_getname");
}

TEST(Signature, IsEmptyForAHealthyGuest) {
  Findings findings;
  findings.slab.audited = true;
  findings.backtrace.frames.push_back(frame("default_idle"));
  EXPECT_TRUE(signature_of(findings).empty());
}

TEST(Signature, OfAHungGuestIsWhatItsCpusAndItsWaitersStandIn) {
  Findings findings;
  analyzer::CpuFacts spins, idle;
  spins.backtrace.frames = {frame("spin"), frame("irqs_off.isra.0")};
  idle.idle = true;
  idle.backtrace.frames = {frame("default_idle")};
  findings.cpus = {spins, idle};
  analyzer::WaitFacts wait;
  wait.comm = "kworker/0:1";
  wait.backtrace.frames = {frame("__schedule"), frame("schedule"),
                           frame("__mutex_lock.constprop.0"), frame("flush")};
  wait.lock.emplace();
  wait.lock->kind = "mutex";
  wait.lock->owner_comm = "flusher";
  findings.waits = {wait};
  EXPECT_TRUE(signature_of(findings).empty()) << "a healthy guest has busy CPUs and waiters, too";
  findings.findings.push_back({.kind = "cpu-stuck",
                               .confidence = analyzer::Confidence::kLikely,
                               .summary = {},
                               .evidence = {},
                               .cache = {},
                               .object = {}});
  const auto signature = signature_of(findings);
  EXPECT_TRUE(signature.hang);
  ASSERT_EQ(signature.cpus.size(), 1u);
  EXPECT_EQ(signature.cpus[0].backtrace, (std::vector<std::string>{"spin", "irqs_off"}));
  ASSERT_EQ(signature.tasks.size(), 1u);
  EXPECT_FALSE(signature.tasks[0].comm) << "another worker next time";
  EXPECT_EQ(signature.tasks[0].backtrace, (std::vector<std::string>{"flush"}));
  EXPECT_EQ(signature.tasks[0].owner, "flusher");
}

}  // namespace
}  // namespace rig::verdict
