// SPDX-License-Identifier: Apache-2.0
#include "publish/ladder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "publish/run_json.h"

namespace rig::publish {
namespace {

using testing::HasSubstr;
using verdict::Outcome;

store::Attempt crash(std::string kind, std::string function, std::string module, double seconds) {
  store::Attempt a;
  a.outcome = Outcome::kExpectedCrash;
  a.seconds.crash = seconds;
  a.work = 120;
  a.report.emplace();
  a.report->kind = std::move(kind);
  a.report->function = std::move(function);
  a.report->module = std::move(module);
  return a;
}

store::Attempt survived(double rate) {
  store::Attempt a;
  a.outcome = Outcome::kSurvived;
  a.work_per_second = rate;
  return a;
}

store::CellRecord cell_of(std::string detector, std::string variant,
                          std::vector<store::Attempt> attempts) {
  store::CellRecord c;
  c.scenario = "late-completion";
  c.arch = "x86_64";
  c.kernel = "debian-6.1";
  c.detector = std::move(detector);
  c.variant = std::move(variant);
  c.module_file = "late-completion.ko";
  c.attempts = std::move(attempts);
  return c;
}

store::RunRecord two_detectors() {
  store::RunRecord run;
  run.cells = {cell_of("none", "faulty",
                       {crash("null-deref", "skb_release_data", "", 1.0),
                        crash("null-deref", "skb_release_data", "", 3.0),
                        crash("null-deref", "skb_release_data", "", 2.0)}),
               cell_of("none", "fixed", {survived(200)}),
               cell_of("kasan", "faulty",
                       {crash("kasan-use-after-free", "late_write", "late_completion", 0.5)}),
               cell_of("kasan", "fixed", {survived(50)})};
  return run;
}

TEST(Ladder, TellsVictimFromCulpritAndWhatEachDetectorCosts) {
  const auto all = ladders(two_detectors());
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].variant, "faulty");
  ASSERT_EQ(all[0].rungs.size(), 2u);
  const Rung& plain = all[0].rungs[0];
  EXPECT_EQ(plain.caught, 3u);
  EXPECT_EQ(plain.named, Named::kVictim);
  EXPECT_EQ(plain.seconds, 2.0);
  EXPECT_EQ(plain.work, 120.0);
  EXPECT_EQ(plain.speed, 1.0);
  const Rung& kasan = all[0].rungs[1];
  EXPECT_EQ(kasan.named, Named::kCulprit);
  EXPECT_EQ(kasan.function, "late_write [late_completion]");
  EXPECT_EQ(kasan.speed, 0.25);
}

TEST(Ladder, TheCoreMayNameWhomTheReportDoesNot) {
  auto run = two_detectors();
  auto& attempt = run.cells[0].attempts[0];
  attempt.finding.emplace();
  attempt.finding->kind = "use-after-free-write";
  attempt.finding->confidence = analyzer::Confidence::kLikely;
  attempt.finding->evidence = {"freed by lc_complete [late_completion], on CPU 1"};
  const auto all = ladders(run);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].rungs[0].named, Named::kCulpritInCore);
  EXPECT_EQ(all[0].rungs[0].evidence, "use-after-free-write (likely)");
}

TEST(Ladder, OneDetectorIsNone) {
  auto run = two_detectors();
  run.cells.resize(2);
  EXPECT_TRUE(ladders(run).empty());
  EXPECT_EQ(ladder_text(ladders(run), false), "");
}

TEST(Ladder, WhatNobodyCaughtIsNoRung) {
  auto run = two_detectors();
  run.cells[2].attempts[0].outcome = Outcome::kOtherCrash;
  EXPECT_TRUE(ladders(run).empty());
}

TEST(Ladder, IsATableForPeopleAndAListForPrograms) {
  const auto run = two_detectors();
  const std::string text = ladder_text(ladders(run), false);
  EXPECT_THAT(text, HasSubstr("What each detector makes of late-completion, faulty, on x86_64:"));
  EXPECT_THAT(text, HasSubstr("3 of 3  null-deref"));
  EXPECT_THAT(text, HasSubstr("0.25x"));
  const std::string json = run_json(run, "results");
  EXPECT_THAT(json, HasSubstr(R"("ladders":[{"scenario":"late-completion")"));
  EXPECT_THAT(json, HasSubstr(R"("named":"culprit")"));
}

}  // namespace
}  // namespace rig::publish
