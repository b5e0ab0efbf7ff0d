// SPDX-License-Identifier: Apache-2.0
#include "verdict/hang_checks.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rig::verdict {
namespace {

analyzer::Backtrace trace(const std::vector<std::string>& functions) {
  analyzer::Backtrace made;
  for (const std::string& function : functions) {
    analyzer::BacktraceFrame frame;
    frame.at.function = function;
    made.frames.push_back(frame);
  }
  return made;
}

analyzer::CpuFacts cpu(unsigned index, const std::vector<std::string>& functions, bool irqs_off) {
  analyzer::CpuFacts facts;
  facts.index = index;
  facts.context.emplace();
  facts.context->irqs_off = irqs_off;
  facts.backtrace = trace(functions);
  return facts;
}

// Two threads that have each other's mutex, and a load that waits for the first.
analyzer::Findings deadlock() {
  analyzer::Findings findings;
  const auto add = [&](std::string comm, std::string lock, std::string owner) {
    analyzer::WaitFacts wait;
    wait.comm = std::move(comm);
    wait.lock.emplace();
    wait.lock->kind = "mutex";
    wait.lock->name = std::move(lock);
    wait.lock->owner = VirtAddr{0x1000};
    wait.lock->owner_comm = std::move(owner);
    wait.backtrace = trace({"__schedule", "__mutex_lock.constprop.0", "cross"});
    findings.waits.push_back(std::move(wait));
  };
  add("a", "second [m]", "b");
  add("b", "first [m]", "a");
  return findings;
}

scenario::Expectation expected_hang(HangKind kind) {
  scenario::Expectation expectation;
  expectation.hang.emplace();
  expectation.hang->kind = kind;
  return expectation;
}

Observation hang(HangKind kind) {
  Observation seen;
  seen.hung = true;
  seen.hang = kind;
  return seen;
}

TEST(JudgeHang, HangOfTheExpectedKindIsTheExpectedCrash) {
  EXPECT_EQ(judge(expected_hang(HangKind::kHard), hang(HangKind::kHard)).outcome,
            Outcome::kExpectedCrash);
}

TEST(JudgeHang, HangOfAnotherKindIsHungAndSaysWhich) {
  const Judgement judgement = judge(expected_hang(HangKind::kSoft), hang(HangKind::kHard));
  EXPECT_EQ(judgement.outcome, Outcome::kHung);
  ASSERT_EQ(judgement.checks.size(), 1u);
  EXPECT_EQ(judgement.checks[0].expected, "a soft hang");
  EXPECT_EQ(judgement.checks[0].found, "a hard hang");
}

TEST(JudgeHang, CrashWhereAHangIsExpectedIsAnotherCrash) {
  Observation seen;
  seen.crashed = true;
  const Judgement judgement = judge(expected_hang(HangKind::kSoft), seen);
  EXPECT_EQ(judgement.outcome, Outcome::kOtherCrash);
  EXPECT_EQ(judgement.checks[0].found, "it crashed");
}

TEST(JudgeHang, SurvivorDidNotHang) {
  Observation seen;
  seen.survived = true;
  EXPECT_EQ(judge(expected_hang(HangKind::kSoft), seen).outcome, Outcome::kSurvived);
}

TEST(JudgeHang, TheKernelsReportOfTheHangMayBeWhatIsExpected) {
  scenario::Expectation expectation;
  expectation.report.emplace();
  expectation.report->kind = "soft-lockup";
  Observation seen = hang(HangKind::kHard);
  EXPECT_EQ(judge(expectation, seen).outcome, Outcome::kHung) << "nobody has reported it";
  seen.report.emplace();
  seen.report->kind = "soft-lockup";
  EXPECT_EQ(judge(expectation, seen).outcome, Outcome::kExpectedCrash);
  seen.report->kind = "rcu-stall";
  EXPECT_EQ(judge(expectation, seen).outcome, Outcome::kHung);
}

TEST(JudgeHang, WhatIsExpectedOfTheBootMustHappenThere) {
  scenario::Expectation expectation;
  expectation.during = scenario::During::kBoot;
  expectation.report.emplace();
  expectation.report->kind = "panic";
  Observation seen;
  seen.crashed = true;
  seen.report.emplace();
  seen.report->kind = "panic";
  EXPECT_EQ(judge(expectation, seen).outcome, Outcome::kOtherCrash);
  seen.in_boot = true;
  EXPECT_EQ(judge(expectation, seen).outcome, Outcome::kExpectedCrash);
}

TEST(CheckCpus, EachPredicateNeedsACpuOfItsOwn) {
  analyzer::Findings findings;
  findings.cpus = {cpu(0, {"spin", "irqs_off"}, true), cpu(1, {"default_idle"}, false)};
  const scenario::CpuPredicate spins{.backtrace = {"spin"}};
  auto checks = check_cpus({spins, spins}, &findings);
  ASSERT_EQ(checks.size(), 2u);
  EXPECT_NE(checks[0].holds, checks[1].holds);
  findings.cpus[1] = cpu(1, {"spin", "elsewhere"}, false);
  checks = check_cpus({spins, spins}, &findings);
  EXPECT_TRUE(checks[0].holds && checks[1].holds);
}

TEST(CheckCpus, ChoosyPredicateIsNotRobbedByAnEarlierOne) {
  analyzer::Findings findings;
  findings.cpus = {cpu(0, {"spin"}, true), cpu(1, {"spin"}, false)};
  const auto checks =
      check_cpus({{.backtrace = {"spin"}}, {.backtrace = {}, .irqs_off = true}}, &findings);
  EXPECT_TRUE(checks[0].holds) << checks[0].found;
  EXPECT_TRUE(checks[1].holds) << checks[1].found;
}

TEST(CheckCpus, WhatTheCpusDoInsteadIsTold) {
  analyzer::Findings findings;
  findings.cpus = {cpu(0, {"default_idle", "do_idle"}, true)};
  const auto checks = check_cpus({{.backtrace = {"spin"}, .irqs_off = true}}, &findings);
  EXPECT_FALSE(checks[0].holds);
  EXPECT_EQ(checks[0].expected, "spin, interrupts off");
  EXPECT_EQ(checks[0].found, "CPU 0: default_idle < do_idle, interrupts off");
}

TEST(CheckCpus, WithoutACoreNothingHolds) {
  EXPECT_FALSE(check_cpus({{.backtrace = {"spin"}}}, nullptr)[0].holds);
  EXPECT_FALSE(check_task({.comm = "a"}, nullptr).holds);
}

TEST(CheckTask, LockAndOwnerMustBeThoseOfTheTask) {
  const auto findings = deadlock();
  EXPECT_TRUE(
      check_task(
          {.comm = "a", .backtrace = {"__mutex_lock", "cross"}, .lock = "mutex", .owner = "b"},
          &findings)
          .holds);
  EXPECT_TRUE(check_task({.comm = "b", .lock = "first"}, &findings).holds);
  EXPECT_FALSE(check_task({.comm = "a", .lock = "first"}, &findings).holds);
  const Check wrong = check_task({.comm = "a", .owner = "c"}, &findings);
  EXPECT_FALSE(wrong.holds);
  EXPECT_EQ(wrong.found,
            "a in __schedule < __mutex_lock < cross, waits for mutex second [m], which b has; "
            "b in __schedule < __mutex_lock < cross, waits for mutex first [m], which a has");
}

// What the kernel says to the rig's NMI, with a hang before it.
Observation hang_and_nmi(std::string_view kind) {
  Observation seen = hang(HangKind::kHard);
  seen.to_nmi.emplace().kind = kind;
  return seen;
}

TEST(NmiReport, IsNoCrashAndNobodyNeedsToExpectIt) {
  const auto judgement = judge(expected_hang(HangKind::kHard), hang_and_nmi("panic"));
  EXPECT_EQ(judgement.outcome, Outcome::kExpectedCrash);
  scenario::Expectation survive;
  survive.survive = true;
  EXPECT_EQ(judge(survive, hang_and_nmi("panic")).outcome, Outcome::kHung);
}

TEST(NmiReport, IsWhatASignatureOfAHangFindsWhereNothingWasSaidBefore) {
  scenario::Expectation expectation = expected_hang(HangKind::kHard);
  expectation.report.emplace().kind = "panic";
  EXPECT_EQ(judge(expectation, hang_and_nmi("panic")).outcome, Outcome::kExpectedCrash);
  EXPECT_EQ(judge(expectation, hang(HangKind::kHard)).outcome, Outcome::kHung) << "nothing said";
  Observation told = hang_and_nmi("panic");
  told.report.emplace().kind = "soft-lockup";
  const auto judgement = judge(expectation, told);
  ASSERT_FALSE(judgement.checks.empty());
  EXPECT_EQ(judgement.checks[0].found, "soft-lockup") << "the cause counts";
}

TEST(NmiReport, AloneMakesNoHangAnExpectedOne) {
  scenario::Expectation expectation;
  expectation.report.emplace().kind = "panic";
  EXPECT_EQ(judge(expectation, hang_and_nmi("panic")).outcome, Outcome::kHung);
  Observation survived;
  survived.survived = true;
  survived.to_nmi.emplace().kind = "panic";
  EXPECT_EQ(judge(expectation, survived).outcome, Outcome::kSurvived);
}

}  // namespace
}  // namespace rig::verdict
