// SPDX-License-Identifier: Apache-2.0
#include "publish/run_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "publish/run_json.h"
#include "publish/terminal.h"
#include "store/record_json.h"

namespace rig::publish {
namespace {

using testing::HasSubstr;
using testing::Not;
using verdict::Outcome;
using verdict::Verdict;

store::Attempt attempt(Outcome outcome) {
  store::Attempt a;
  a.outcome = outcome;
  a.seconds = {.boot = 2.3, .crash = 1.25, .capture = {}, .analyze = {}};
  return a;
}

store::Attempt other_crash(std::string address) {
  store::Attempt a = attempt(Outcome::kOtherCrash);
  a.reason = "guest panicked";
  a.report.emplace();
  a.report->title = "BUG: unable to handle kernel paging request in skb_release_data";
  a.checks = {{"report.kind", "null-deref", "null-deref", true},
              {"report.address", "0x106", std::move(address), false},
              {"object", "kmalloc-1k object holds 0x106 (4 bytes) at +0x2c8",
               "no pointer leads to a slab object", false}};
  a.core = "c/attempt-1/core";
  a.console = "c/attempt-1/console.log";
  return a;
}

store::CellRecord cell(std::string variant, Verdict verdict, std::vector<store::Attempt> attempts) {
  store::CellRecord c;
  c.scenario = "late-completion";
  c.arch = "x86_64";
  c.kernel = "debian-6.1";
  c.detector = "none";
  c.variant = std::move(variant);
  c.verdict = verdict;
  c.attempts = std::move(attempts);
  return c;
}

store::RunRecord run_of(std::vector<store::CellRecord> cells) {
  store::RunRecord run{.run = "r", .ok = true, .cells = std::move(cells)};
  for (const auto& c : run.cells) run.ok = run.ok && c.verdict == Verdict::kPass;
  return run;
}

TEST(RunText, AttemptsThatTheRigFailedAtFirstAreTold) {
  store::Attempt again = attempt(Outcome::kSurvived);
  again.retried = {"the kernel 6.1 did not boot: it printed nothing at all\nread console.log"};
  const auto one = run_of({cell("fixed", Verdict::kPass, {again, attempt(Outcome::kSurvived)})});
  EXPECT_THAT(run_text(one, {}), HasSubstr("The rig failed 1 attempt at first and made it again; "
                                           "why: the kernel 6.1 did not boot: it printed nothing "
                                           "at all\n"));
  again.retried.push_back("QEMU died");
  const auto two = run_of({cell("fixed", Verdict::kPass, {again, again})});
  EXPECT_THAT(run_text(two, {}), HasSubstr("The rig failed 2 attempts at first"));
}

TEST(RunText, PassedRunIsATableAndASummary) {
  const auto run =
      run_of({cell("faulty", Verdict::kPass,
                   {attempt(Outcome::kExpectedCrash), attempt(Outcome::kExpectedCrash)}),
              cell("fixed", Verdict::kPass, {attempt(Outcome::kSurvived)})});
  EXPECT_EQ(run_text(run, {.folder = "results/r"}),
            "CELL                                           VERDICT  ATTEMPTS            BOOT   "
            "CRASH  CAPTURE  ANALYZE\n"
            "late-completion/x86_64/debian-6.1/none/faulty  pass     2 expected-crash  2.30 s  "
            "1.25 s        -        -\n"
            "late-completion/x86_64/debian-6.1/none/fixed   pass     1 survived        2.30 s  "
            "1.25 s        -        -\n"
            "\n"
            "2 of 2 cells as expected; records: results/r\n");
}

TEST(RunText, CommandLinesAreOneLineThatNamesWhatDidNotTakeEffect) {
  auto faulty = cell("faulty", Verdict::kPass, {attempt(Outcome::kExpectedCrash)});
  faulty.parameters = {{"oops=panic", cmdline::State::kEffective, ""},
                       {"nox2apic", cmdline::State::kIneffective, ""},
                       {"mitigations=off", cmdline::State::kNotCheckable, ""}};
  auto fixed = faulty;
  fixed.variant = "fixed";  // of the same command line
  EXPECT_THAT(run_text(run_of({faulty, fixed}), {}),
              HasSubstr("\ncommand line: 1 of 3 parameters took effect; without effect, as "
                        "declared: nox2apic; cannot be seen: mitigations=off\n\n2 of 2 cells"));
  faulty.parameters.clear();
  faulty.not_checked = "the guest did not boot";
  EXPECT_THAT(run_text(run_of({faulty}), {}),
              HasSubstr("0 of 0 parameters took effect; not checked: x86_64/debian-6.1/none"));
}

TEST(RunText, FailedCellShowsExpectedBesideFoundAndWhereTheEvidenceIs) {
  const auto run = run_of({cell("faulty", Verdict::kFail, {other_crash("0x1234")})});
  EXPECT_THAT(
      run_text(run, {.folder = "results/r"}),
      HasSubstr("\n  fail  late-completion/x86_64/debian-6.1/none/faulty\n"
                "    attempt 1: other-crash, guest panicked\n"
                "                      expected                                           found\n"
                "      report.address  0x106                                              0x1234\n"
                "      object          kmalloc-1k object holds 0x106 (4 bytes) at +0x2c8  no "
                "pointer leads to a slab object\n"
                "      report   BUG: unable to handle kernel paging request in skb_release_data\n"
                "      core     results/r/c/attempt-1/core\n"
                "      console  results/r/c/attempt-1/console.log\n"
                "\n"
                "0 of 1 cell as expected; records: results/r\n"));
}

TEST(RunText, AttemptsThatEndedAlikeAreToldOnce) {
  const auto run =
      run_of({cell("faulty", Verdict::kFlaky,
                   {other_crash("0x1"), attempt(Outcome::kExpectedCrash), other_crash("0x2")})});
  const std::string text = run_text(run);
  EXPECT_THAT(text, HasSubstr("1 expected-crash, 2 other-crash"));
  EXPECT_THAT(text, HasSubstr("2 attempts alike (1, 3), first: other-crash"));
  EXPECT_THAT(text, HasSubstr("0x1"));
  EXPECT_THAT(text, HasSubstr("attempt 2: expected-crash"));
}

TEST(RunText, RigErrorShowsWhatToDo) {
  store::Attempt a = attempt(Outcome::kRigError);
  a.error = "qemu-system-x86_64 not found (apt-get install qemu-system-x86)";
  const std::string text = run_text(run_of({cell("faulty", Verdict::kError, {a})}));
  EXPECT_THAT(text, HasSubstr("attempt 1: rig-error\n      qemu-system-x86_64 not found (apt-get"));
}

TEST(RunText, CellWithoutAttemptsSaysSo) {
  EXPECT_THAT(run_text(run_of({cell("faulty", Verdict::kError, {})})),
              HasSubstr("no attempt was made"));
}

TEST(RunText, ColourOnlyWhenAskedFor) {
  const auto run = run_of({cell("faulty", Verdict::kFail, {other_crash("0x1")})});
  EXPECT_THAT(run_text(run), Not(HasSubstr("\x1b")));
  EXPECT_THAT(run_text(run, {.folder = {}, .colour = true}), HasSubstr("\x1b[31m"));
}

TEST(RunText, ConsoleCannotSendEscapeSequencesToTheTerminal) {
  store::Attempt a = other_crash("\x1b[2J");
  a.report->title = "BUG: \x1b]0;owned\x07";
  a.error = "\x1b[31m";
  EXPECT_THAT(run_text(run_of({cell("fa\x1b[1multy", Verdict::kFail, {a})})),
              Not(HasSubstr("\x1b")));
}

TEST(RunJson, PathsLeadThroughTheRunsFolder) {
  const auto run = run_of({cell("faulty", Verdict::kFail, {other_crash("0x1234")})});
  const auto parsed = store::parse_run(run_json(run, "results/r"));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->cells[0].attempts[0].core, "results/r/c/attempt-1/core");
  EXPECT_EQ(parsed->cells[0].attempts[0].console, "results/r/c/attempt-1/console.log");
  EXPECT_EQ(parsed->cells[0].attempts[0].findings, "");
  EXPECT_FALSE(parsed->ok);
}

TEST(Terminal, TextIsClippedByColumns) {
  EXPECT_EQ(clip("abcdef", 6), "abcdef");
  EXPECT_EQ(clip("abcdefg", 6), "abc...");
  EXPECT_EQ(clip("abcdefg", 2), "ab");
  EXPECT_EQ(printable("a\tb\x7f\xc3\xa4"), "a b??");
}

}  // namespace
}  // namespace rig::publish
