// SPDX-License-Identifier: Apache-2.0
#include "verdict/verdict.h"

#include <gtest/gtest.h>

namespace rig::verdict {
namespace {

using analyzer::Findings;

// The signature of late-completion.
scenario::Expectation expected_crash() {
  scenario::Expectation expectation;
  expectation.report.emplace();
  expectation.report->kind = "null-deref";
  expectation.report->address = 0x106;
  expectation.report->function = "skb_release_data";
  expectation.object = {.holds = 0x106, .size = 4, .offset = 0x2c8, .cache = "kmalloc-1k"};
  return expectation;
}

scenario::Expectation survive() {
  scenario::Expectation expectation;
  expectation.survive = true;
  return expectation;
}

oops::Report null_deref() {
  oops::Report r;
  r.kind = "null-deref";
  r.title = "BUG: unable to handle kernel NULL pointer dereference in skb_release_data";
  r.function = "skb_release_data";
  r.address = 0x106;
  return r;
}

// Appends a pointer to an object whose content at 0x2c8 is `value`.
void add_object(Findings& findings, std::uint64_t address, std::string cache, std::uint32_t value) {
  analyzer::SlabObject object;
  object.address = VirtAddr{address};
  object.cache = std::move(cache);
  object.object_size = 1024;
  object.content.resize(1024, std::byte{0xee});
  for (unsigned i = 0; i < 4; ++i) object.content[0x2c8 + i] = std::byte(value >> (8 * i));
  findings.pointers.push_back({"register R14", VirtAddr{address + 0x2c0}, "", object, 0x2c0});
}

Findings findings_of(std::uint32_t value) {
  Findings findings;
  add_object(findings, 0xffff888003c0a000, "kmalloc-1k", value);
  return findings;
}

Observation crash(const Findings* findings) {
  Observation seen;
  seen.crashed = true;
  seen.report = null_deref();
  seen.findings = findings;
  return seen;
}

Check check(const Judgement& judgement, std::string_view predicate) {
  for (const Check& each : judgement.checks) {
    if (each.predicate == predicate) return each;
  }
  ADD_FAILURE() << "no check " << predicate;
  return {};
}

TEST(Judge, CrashThatSatisfiesEveryPredicateIsExpected) {
  const Findings findings = findings_of(0x106);
  const Judgement judgement = judge(expected_crash(), crash(&findings));
  EXPECT_EQ(judgement.outcome, Outcome::kExpectedCrash);
  ASSERT_EQ(judgement.checks.size(), 4u);
  for (const Check& each : judgement.checks) EXPECT_TRUE(each.holds) << each.predicate;
  EXPECT_EQ(check(judgement, "object").found,
            "kmalloc-1k object 0xffff888003c0a000 holds 0x106 at +0x2c8");
}

TEST(Judge, OtherAddressIsAnotherCrashAndBothAreNamed) {
  const Findings findings = findings_of(0x106);
  Observation seen = crash(&findings);
  seen.report->address = 0x1234;
  const Judgement judgement = judge(expected_crash(), seen);
  EXPECT_EQ(judgement.outcome, Outcome::kOtherCrash);
  EXPECT_EQ(check(judgement, "report.address").expected, "0x106");
  EXPECT_EQ(check(judgement, "report.address").found, "0x1234");
  EXPECT_FALSE(check(judgement, "report.address").holds);
  EXPECT_TRUE(check(judgement, "report.kind").holds);
}

TEST(Judge, OtherKindFunctionAndMissingFieldsDoNotHold) {
  scenario::Expectation expectation = expected_crash();
  expectation.object.reset();
  expectation.report->access = "write";
  expectation.report->cache = "kmalloc-1k";
  Observation seen = crash(nullptr);
  seen.report->kind = "gpf";
  seen.report->function = "kfree";
  seen.report->address.reset();
  const Judgement judgement = judge(expectation, seen);
  EXPECT_EQ(judgement.outcome, Outcome::kOtherCrash);
  EXPECT_EQ(check(judgement, "report.kind").found, "gpf");
  EXPECT_EQ(check(judgement, "report.function").found, "kfree");
  EXPECT_EQ(check(judgement, "report.address").found, "not named by the report");
  EXPECT_EQ(check(judgement, "report.access").found, "not named by the report");
  EXPECT_EQ(check(judgement, "report.cache").found, "not named by the report");
}

TEST(Judge, CrashWithoutReportFailsEveryReportPredicate) {
  const Findings findings = findings_of(0x106);
  Observation seen;
  seen.crashed = true;
  seen.findings = &findings;
  const Judgement judgement = judge(expected_crash(), seen);
  EXPECT_EQ(judgement.outcome, Outcome::kOtherCrash);
  EXPECT_EQ(check(judgement, "report.kind").found, "no report");
  EXPECT_TRUE(check(judgement, "object").holds);
}

TEST(Judge, SameReportWithoutTheSharedObjectIsAnotherCrash) {
  const Findings findings = findings_of(0);
  const Judgement judgement = judge(expected_crash(), crash(&findings));
  EXPECT_EQ(judgement.outcome, Outcome::kOtherCrash);
  EXPECT_EQ(check(judgement, "object").expected,
            "kmalloc-1k object holds 0x106 (4 bytes) at +0x2c8");
  EXPECT_EQ(check(judgement, "object").found,
            "kmalloc-1k object 0xffff888003c0a000 holds 0x0 at +0x2c8");
}

TEST(Judge, CrashWithoutFindingsDoesNotProveTheObject) {
  const Judgement judgement = judge(expected_crash(), crash(nullptr));
  EXPECT_EQ(judgement.outcome, Outcome::kOtherCrash);
  EXPECT_EQ(check(judgement, "object").found, "no findings: the core was not analyzed");
}

TEST(ObjectCheck, AnyOfSeveralObjectsMayHoldTheValue) {
  Findings findings = findings_of(0);
  add_object(findings, 0xffff888003c0b000, "kmalloc-1024", 0x106);
  const Judgement judgement = judge(expected_crash(), crash(&findings));
  EXPECT_EQ(judgement.outcome, Outcome::kExpectedCrash);
  EXPECT_EQ(check(judgement, "object").found,
            "kmalloc-1024 object 0xffff888003c0b000 holds 0x106 at +0x2c8");
}

TEST(ObjectCheck, ObjectsOfOtherCachesDoNotCount) {
  Findings findings;
  add_object(findings, 0xffff888003c0b000, "kmalloc-2k", 0x106);
  const Judgement judgement = judge(expected_crash(), crash(&findings));
  EXPECT_EQ(judgement.outcome, Outcome::kOtherCrash);
  EXPECT_EQ(check(judgement, "object").found,
            "no pointer leads to a slab object of kmalloc-1k (only of kmalloc-2k)");
}

TEST(ObjectCheck, WithoutCacheEveryObjectCounts) {
  Findings findings;
  add_object(findings, 0xffff888003c0b000, "TCP", 0x106);
  scenario::Expectation expectation = expected_crash();
  expectation.object->cache.reset();
  EXPECT_EQ(judge(expectation, crash(&findings)).outcome, Outcome::kExpectedCrash);
}

TEST(ObjectCheck, ObjectIsNamedOnceHoweverManyPointersLeadToIt) {
  Findings findings;
  add_object(findings, 0xffff888003c0b000, "kmalloc-1k", 2);
  add_object(findings, 0xffff888003c0a000, "kmalloc-1k", 1);
  add_object(findings, 0xffff888003c0b000, "kmalloc-1k", 2);
  EXPECT_EQ(check(judge(expected_crash(), crash(&findings)), "object").found,
            "kmalloc-1k object 0xffff888003c0a000 holds 0x1 at +0x2c8; "
            "kmalloc-1k object 0xffff888003c0b000 holds 0x2 at +0x2c8");
}

TEST(ObjectCheck, ManyObjectsAreCutShort) {
  Findings findings;
  for (std::uint64_t i = 0; i < 10; ++i) {
    add_object(findings, 0xffff888003c00000 + i * 1024, "kmalloc-1k", 0);
  }
  const std::string found = check(judge(expected_crash(), crash(&findings)), "object").found;
  EXPECT_TRUE(found.ends_with("; and 6 more")) << found;
}

TEST(ObjectCheck, PointersThatLeadNowhereAreNoObjects) {
  Findings findings;
  findings.pointers.push_back({"register RAX", VirtAddr{0x106}, "", std::nullopt, 0});
  EXPECT_EQ(check(judge(expected_crash(), crash(&findings)), "object").found,
            "no pointer leads to a slab object");
}

TEST(ObjectCheck, ValueBeyondTheBytesInTheCoreDoesNotHold) {
  Findings findings = findings_of(0x106);
  findings.pointers[0].object->content.resize(0x2ca);
  const Check found = check(judge(expected_crash(), crash(&findings)), "object");
  EXPECT_FALSE(found.holds);
  EXPECT_EQ(found.found, "kmalloc-1k object 0xffff888003c0a000 is not in the core at +0x2c8");
}

TEST(ObjectCheck, EightBytesAreComparedWhole) {
  Findings findings = findings_of(0x106);  // followed by 0xee bytes
  scenario::Expectation expectation = expected_crash();
  expectation.object->size = 8;
  EXPECT_FALSE(check(judge(expectation, crash(&findings)), "object").holds);
  expectation.object->holds = 0xeeeeeeee00000106;
  EXPECT_TRUE(check(judge(expectation, crash(&findings)), "object").holds);
}

TEST(Judge, ExpectedCrashThatDidNotComeIsSurvived) {
  Observation seen;
  seen.survived = true;
  const Judgement judgement = judge(expected_crash(), seen);
  EXPECT_EQ(judgement.outcome, Outcome::kSurvived);
  EXPECT_EQ(check(judgement, "crashes").found, "survived");
  EXPECT_FALSE(check(judgement, "crashes").holds);
  EXPECT_EQ(check(judgement, "report.kind").found, "no report");
}

TEST(Judge, HungIsHungWhateverWasExpected) {
  Observation seen;
  seen.hung = true;
  EXPECT_EQ(judge(expected_crash(), seen).outcome, Outcome::kHung);
  EXPECT_EQ(judge(survive(), seen).outcome, Outcome::kHung);
  EXPECT_EQ(check(judge(survive(), seen), "survives").found, "hung");
}

TEST(Judge, HungAfterAReportIsStillHung) {
  Observation seen;
  seen.hung = true;
  seen.report = null_deref();
  EXPECT_EQ(judge(expected_crash(), seen).outcome, Outcome::kHung);
  EXPECT_EQ(check(judge(survive(), seen), "survives").found, "hung after " + null_deref().title);
  seen.crashed = true;
  EXPECT_EQ(judge(survive(), seen).outcome, Outcome::kOtherCrash);
}

TEST(Judge, SurvivorSurvives) {
  Observation seen;
  seen.survived = true;
  const Judgement judgement = judge(survive(), seen);
  EXPECT_EQ(judgement.outcome, Outcome::kSurvived);
  EXPECT_TRUE(check(judgement, "survives").holds);
}

TEST(Judge, SurvivorThatCrashedIsAnotherCrashEvenIfItIsTheKnownOne) {
  const Judgement judgement = judge(survive(), crash(nullptr));
  EXPECT_EQ(judgement.outcome, Outcome::kOtherCrash);
  EXPECT_EQ(check(judgement, "survives").expected, "yes");
  EXPECT_EQ(check(judgement, "survives").found, null_deref().title);
}

TEST(Judge, SurvivorWithAReportDidNotSurvive) {
  Observation seen;
  seen.survived = true;
  seen.report = null_deref();
  EXPECT_EQ(judge(survive(), seen).outcome, Outcome::kOtherCrash);
}

TEST(Judge, NoEndAtAllIsTheRigsFault) {
  EXPECT_EQ(judge(expected_crash(), {}).outcome, Outcome::kRigError);
  EXPECT_EQ(judge(survive(), {}).outcome, Outcome::kRigError);
}

TEST(Judge, ExpectationOfNothingIsNeverMet) {
  EXPECT_EQ(judge({}, crash(nullptr)).outcome, Outcome::kOtherCrash);
}

using Outcomes = std::vector<Outcome>;

TEST(CellVerdict, AllSomeNoneOfTheAttemptsAsExpected) {
  const auto verdict = [](const Outcomes& outcomes) {
    return cell_verdict(expected_crash(), outcomes);
  };
  EXPECT_EQ(verdict({Outcome::kExpectedCrash, Outcome::kExpectedCrash}), Verdict::kPass);
  EXPECT_EQ(verdict({Outcome::kExpectedCrash, Outcome::kSurvived}), Verdict::kFlaky);
  EXPECT_EQ(verdict({Outcome::kOtherCrash, Outcome::kSurvived}), Verdict::kFail);
  EXPECT_EQ(verdict({Outcome::kHung}), Verdict::kFail);
}

TEST(CellVerdict, SurvivingIsGoodOnlyWhereItIsExpected) {
  const Outcomes survived{Outcome::kSurvived};
  EXPECT_EQ(cell_verdict(survive(), survived), Verdict::kPass);
  EXPECT_EQ(cell_verdict(expected_crash(), survived), Verdict::kFail);
  const Outcomes crashed{Outcome::kExpectedCrash};
  EXPECT_EQ(cell_verdict(survive(), crashed), Verdict::kFail);
}

TEST(CellVerdict, RigErrorIsNeverAVerdictOnTheKernel) {
  EXPECT_EQ(cell_verdict(expected_crash(), Outcomes{Outcome::kExpectedCrash, Outcome::kRigError}),
            Verdict::kError);
  EXPECT_EQ(cell_verdict(expected_crash(), Outcomes{Outcome::kOtherCrash, Outcome::kRigError}),
            Verdict::kError);
  EXPECT_EQ(cell_verdict(expected_crash(), Outcomes{}), Verdict::kError);
}

TEST(Names, EveryOutcomeAndVerdictIsReadBack) {
  for (const auto outcome : {Outcome::kExpectedCrash, Outcome::kOtherCrash, Outcome::kSurvived,
                             Outcome::kHung, Outcome::kRigError}) {
    EXPECT_EQ(parse_outcome(to_string(outcome)), outcome);
  }
  for (const auto verdict : {Verdict::kPass, Verdict::kFail, Verdict::kFlaky, Verdict::kError}) {
    EXPECT_EQ(parse_verdict(to_string(verdict)), verdict);
  }
  EXPECT_FALSE(parse_outcome("pass"));
  EXPECT_FALSE(parse_verdict(""));
}

}  // namespace
}  // namespace rig::verdict
