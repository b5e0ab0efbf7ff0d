// SPDX-License-Identifier: Apache-2.0
#include "store/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "store/json_text.h"
#include "store/record_json.h"
#include "store/repeat_text.h"
#include "store/run_folder.h"

namespace rig::store {
namespace {

using testing::HasSubstr;

oops::Report sample_report() {
  oops::Report report;
  report.kind = "null-deref";
  report.title = "BUG: unable to handle kernel NULL pointer dereference in skb_release_data";
  report.function = "skb_release_data";
  report.address = 0x106;
  report.access = "read";
  report.pid = 0;
  report.cpu = 1;
  report.comm = "swapper/1";
  report.registers = {{"RIP", 0xffffffff81a3b0c3}, {"CR2", 0x106}};
  report.frames = {{.function = "skb_release_data",
                    .offset = 0xa3,
                    .size = 0x180,
                    .module = "",
                    .reliable = true},
                   {.function = "lc_done",
                    .offset = 1,
                    .size = 2,
                    .module = "late_completion",
                    .reliable = false}};
  report.first_line = 10;
  report.last_line = 60;
  report.panicked = true;
  return report;
}

Attempt sample_attempt() {
  Attempt attempt;
  attempt.outcome = verdict::Outcome::kExpectedCrash;
  attempt.seconds = {.boot = 2.1234, .crash = 1, .capture = 0.5, .analyze = std::nullopt};
  attempt.stopped = FirstStop{.function = "slab_bug",
                              .address = 0xffffffff81a10b1d,
                              .cpu = 1,
                              .seconds = 3.5,
                              .later = {"panic"}};
  attempt.watchdog = std::chrono::seconds(10);
  attempt.hang.emplace().last_line = "[    1.0] x";
  attempt.hang->nmi.emplace().said = "Uhhuh.";
  attempt.hang->nmi->report.emplace().kind = "panic";
  attempt.report = sample_report();
  attempt.checks = {{"report.address", "0x106", "0x106", true}, {"object", "a", "b", false}};
  attempt.reason = "guest panicked";
  attempt.retried = {"the kernel 6.1 did not boot\nread console.log", "QEMU died"};
  attempt.core = "c/attempt-1/core";
  attempt.core_format = "kdump-lzo";
  attempt.console = "c/attempt-1/console.log";
  attempt.command_line = "qemu-system-x86_64 -append \"a 'b'\"";
  attempt.accelerator = "tcg";
  attempt.backend_version = "7.2.22";
  return attempt;
}

CellRecord sample_cell() {
  CellRecord cell{.scenario = "late-completion",
                  .arch = "x86_64",
                  .kernel = "debian-6.1",
                  .detector = "none",
                  .variant = "faulty",
                  .kernel_release = "6.1.0-56-amd64",
                  .kernel_package = "linux-image-6.1.0-56-amd64",
                  .kernel_version = "6.1.192-2",
                  .cmdline = "oops=panic",
                  .boot = "direct",
                  .module_file = "late_completion.ko",
                  .module_sha256 = "0123abcd",
                  .parameters = {{"oops=panic", cmdline::State::kEffective, "panic_on_oops is 1"},
                                 {"nox2apic", cmdline::State::kIneffective, "no x2APIC"}},
                  .ignored_ok = {"nox2apic"},
                  .not_checked = "",
                  .verdict = verdict::Verdict::kPass,
                  .attempts = {sample_attempt()}};
  return cell;
}

RunRecord sample_run() {
  return {"20261121-083012-late-completion", true, {sample_cell()}};
}

scenario::Cell planned_cell(std::string detector = "none", std::string kernel = "debian-6.1") {
  auto scenario = std::make_shared<scenario::Scenario>();
  scenario->file = "/rig/scenarios/late-completion.yaml";
  scenario->text = "name: late-completion\n";
  scenario->name = "late-completion";
  scenario->stress = {.programs = {{Arch::kX86_64, "/rig/guest/stress/io_and_net"}},
                      .args = {},
                      .duration = std::chrono::seconds(8)};
  scenario::Cell cell;
  cell.scenario = scenario;
  cell.kernel = std::move(kernel);
  cell.detector.name = std::move(detector);
  cell.variant.name = "faulty";
  cell.variant.module.folder = "/rig/guest/modules/late_completion";
  cell.variant.params = {{"late_write", "1"}};
  return cell;
}

TempDir temp() {
  auto folder = TempDir::create("store-test");
  EXPECT_TRUE(folder);
  return *std::move(folder);
}

TEST(RecordJson, RunIsReadBackAsItWas) {
  const std::string text = to_json(sample_run());
  const auto run = parse_run(text);
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(to_json(*run), text);
  const Attempt& attempt = run->cells.at(0).attempts.at(0);
  EXPECT_TRUE(run->ok);
  EXPECT_EQ(run->cells[0].kernel_package, "linux-image-6.1.0-56-amd64");
  EXPECT_EQ(attempt.outcome, verdict::Outcome::kExpectedCrash);
  EXPECT_NEAR(*attempt.seconds.boot, 2.123, 1e-9);
  EXPECT_FALSE(attempt.seconds.analyze);
  EXPECT_EQ(attempt.watchdog, std::chrono::seconds(10));
  ASSERT_TRUE(attempt.hang && attempt.hang->nmi && attempt.hang->nmi->report);
  EXPECT_EQ(attempt.hang->nmi->said, "Uhhuh.");
  EXPECT_EQ(attempt.hang->nmi->report->kind, "panic");
  EXPECT_EQ(attempt.report->registers.at("RIP"), 0xffffffff81a3b0c3u);
  EXPECT_EQ(attempt.report->frames.at(1).module, "late_completion");
  EXPECT_FALSE(attempt.report->frames.at(1).reliable);
  EXPECT_EQ(attempt.report->pid, 0u);
  EXPECT_FALSE(attempt.report->access_size);
  EXPECT_FALSE(attempt.checks.at(1).holds);
  EXPECT_EQ(attempt.command_line, sample_attempt().command_line);
  EXPECT_EQ(attempt.findings, "");
  EXPECT_EQ(attempt.core_format, "kdump-lzo");
  EXPECT_EQ(run->cells[0].module_sha256, "0123abcd");
  EXPECT_EQ(run->cells[0].parameters.at(1).parameter, "nox2apic");
  EXPECT_EQ(run->cells[0].parameters.at(1).state, cmdline::State::kIneffective);
  EXPECT_EQ(run->cells[0].ignored_ok, std::vector<std::string>{"nox2apic"});
}

TEST(RecordJson, DocumentHasTheAgreedKeys) {
  const std::string text = to_json(sample_run());
  for (const char* part :
       {"\"schema\": 1", "\"run\": \"20261121-083012-late-completion\"", "\"ok\": true",
        "\"cells\": [", "\"verdict\": \"pass\"", "\"attempts\": [",
        "\"outcome\": \"expected-crash\"",
        "\"seconds\": {\"boot\": 2.123, \"crash\": 1, \"capture\": 0.5, \"analyze\": null}",
        "\"address\": \"0x106\"", "\"core\": \"c/attempt-1/core\"", "\"findings\": null"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(RecordJson, BytesThatAreNoTextAreReplacedNotWritten) {
  RunRecord run = sample_run();
  run.cells[0].attempts[0].report->title = "BUG: \xff\xfe\x1b[31m \"quoted\" \xc3\xa4";
  const auto back = parse_run(to_json(run));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(back->cells[0].attempts[0].report->title,
            "BUG: \xef\xbf\xbd\xef\xbf\xbd\x1b[31m \"quoted\" \xc3\xa4");
}

TEST(RecordJson, Utf8IsCheckedSequenceBySequence) {
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(to_utf8("\xe2\x82\xac"), "\xe2\x82\xac");
  EXPECT_EQ(to_utf8("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(to_utf8("a\xe2\x82"), "a" + bad + bad);               // cut short
  EXPECT_EQ(to_utf8("\xc0\x80"), bad + bad);                      // overlong
  EXPECT_EQ(to_utf8("\xed\xa0\x80"), bad + bad + bad);            // surrogate
  EXPECT_EQ(to_utf8("\xf4\x90\x80\x80"), bad + bad + bad + bad);  // beyond U+10FFFF
}

TEST(RecordJson, WrongValuesAreNamedByTheirPath) {
  const auto message = [](std::string_view from, std::string_view to) {
    std::string text = to_json(sample_run());
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    text.replace(at, from.size(), to);
    const auto run = parse_run(text);
    EXPECT_FALSE(run);
    EXPECT_EQ(run.error().blame, Blame::kInput);
    return run.error().what;
  };
  EXPECT_EQ(message("\"pass\"", "\"passed\""), "cells[0].verdict: unknown 'passed'");
  EXPECT_EQ(message("\"expected-crash\"", "7"), "cells[0].attempts[0].outcome: is not a text");
  EXPECT_EQ(message("\"0x106\"", "\"0xzz\""),
            "cells[0].attempts[0].report.address: is not a number");
  EXPECT_EQ(message("\"schema\": 1", "\"schema\": 2"), "schema 2 instead of 1");
  EXPECT_EQ(message("\"ok\": true", "\"ok\": 1"), "ok: is neither true nor false");
}

TEST(RecordJson, EveryPrefixOfAManifestIsRefused) {
  const std::string text = to_json(sample_run());
  for (std::size_t size = 0; size + 2 < text.size(); ++size) {
    ASSERT_FALSE(parse_run(text.substr(0, size))) << size;
  }
  EXPECT_FALSE(parse_run("[]"));
  EXPECT_FALSE(parse_run("null"));
  EXPECT_FALSE(parse_run(std::string(100'000, '[')));
}

TEST(RunFolder, NamesAreUniqueWithinASecond) {
  const TempDir results = temp();
  const auto when = std::chrono::system_clock::from_time_t(1795249812);  // 2026-11-21 08:30:12 UTC
  const auto first = RunFolder::create(results.path() / "new", "late-completion", when);
  const auto second = RunFolder::create(results.path() / "new", "late-completion", when);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->run(), "20261121-083012-late-completion");
  EXPECT_EQ(second->run(), "20261121-083012-late-completion-2");
  EXPECT_TRUE(fs::is_directory(second->path()));
}

TEST(RunFolder, NameThatIsAPathStaysInsideTheResults) {
  const TempDir results = temp();
  const auto run = RunFolder::create(results.path(), "../../x");
  ASSERT_TRUE(run);
  EXPECT_EQ(run->path().parent_path(), results.path());
}

TEST(RunFolder, AttemptLeavesWhatOneNeedsToRepeatIt) {
  const TempDir results = temp();
  auto run = RunFolder::create(results.path(), "late-completion");
  ASSERT_TRUE(run);
  const auto cell = planned_cell();
  const auto folder = run->open_attempt(cell, 1);
  ASSERT_TRUE(folder) << folder.error().message();
  EXPECT_EQ(run->relative(*folder / "core"),
            "late-completion-x86_64-debian-6.1-none-faulty/attempt-1/core");
  EXPECT_EQ(run->relative("/elsewhere/core"), "/elsewhere/core");
  ASSERT_TRUE(run->close_attempt(cell, sample_cell(), 1, sample_attempt()));
  const std::string text = *read_file(*folder / "repeat.txt");
  for (const char* part :
       {"crashrig run /rig/scenarios/late-completion.yaml --arch x86_64 --kernel "
        "debian-6.1@6.1.0-56 "
        "--detector none --variant faulty --repeat 1 --keep-core --accel tcg --format kdump-lzo\n",
        "as it was then: ../../scenario.yaml",
        "late_completion.ko, built from /rig/guest/modules/late_completion; SHA-256 0123abcd",
        "linux-image-6.1.0-56-amd64 6.1.192-2", "7.2.22, tcg", "qemu-system-x86_64 -append",
        "the module late_completion.ko is sent and loaded with the parameters late_write=1\n",
        "the load is sent and started: io_and_net --seconds 8\n"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_EQ(*read_file(*folder / "../../scenario.yaml"), "name: late-completion\n");
  const std::string json = *read_file(*folder / "attempt.json");
  EXPECT_THAT(json, HasSubstr("\"number\": 1"));
  EXPECT_THAT(json, HasSubstr("\"variant\": \"faulty\""));
  EXPECT_THAT(json, HasSubstr("\"outcome\": \"expected-crash\""));
}

TEST(RunFolder, EveryScenarioOfARunIsKeptAsItWasRead) {
  const TempDir results = temp();
  auto run = RunFolder::create(results.path(), "x");
  ASSERT_TRUE(run);
  auto other = planned_cell("slub");
  auto scenario = std::make_shared<scenario::Scenario>(*other.scenario);
  scenario->file = "/rig/scenarios/other.yaml";
  scenario->text = "name: other\n";
  other.scenario = scenario;
  ASSERT_TRUE(run->open_attempt(planned_cell(), 1) && run->open_attempt(planned_cell(), 2) &&
              run->open_attempt(other, 1) && run->open_attempt(other, 2));
  EXPECT_EQ(read_file(run->path() / "scenario.yaml").value_or(""), "name: late-completion\n");
  EXPECT_EQ(read_file(run->path() / "scenario-2.yaml").value_or(""), "name: other\n");
  EXPECT_FALSE(fs::exists(run->path() / "scenario-3.yaml"));
}

TEST(RunFolder, AttemptIsOpenedOnce) {
  const TempDir results = temp();
  auto run = RunFolder::create(results.path(), "x");
  ASSERT_TRUE(run && run->open_attempt(planned_cell(), 1));
  const auto again = run->open_attempt(planned_cell(), 1);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().blame, Blame::kRig);
}

TEST(RunFolder, CellsWhoseNamesDifferOnlyInSeparatorsDoNotMeet) {
  const TempDir results = temp();
  auto run = RunFolder::create(results.path(), "x");
  ASSERT_TRUE(run);
  const auto a = run->open_attempt(planned_cell("b-c", "k"), 1);
  const auto b = run->open_attempt(planned_cell("c", "k-b"), 1);
  ASSERT_TRUE(a && b);
  EXPECT_NE(*a, *b);
}

TEST(RunFolder, AttemptsOfSeveralThreadsDoNotMeet) {
  const TempDir results = temp();
  auto run = RunFolder::create(results.path(), "x");
  ASSERT_TRUE(run);
  std::atomic<unsigned> good = 0;
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i <= 8; ++i) {
    threads.emplace_back([&, i] {
      const auto cell = planned_cell(i % 2 == 0 ? "none" : "kasan");
      if (run->open_attempt(cell, i) &&
          run->close_attempt(cell, sample_cell(), i, sample_attempt())) {
        ++good;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(good, 8u);
}

TEST(RunFolder, RunWithoutManifestIsIncomplete) {
  const TempDir results = temp();
  auto run = RunFolder::create(results.path(), "late-completion");
  ASSERT_TRUE(run);
  const auto cut_short = read_run(run->path());
  ASSERT_FALSE(cut_short);
  EXPECT_EQ(cut_short.error().blame, Blame::kInput);
  EXPECT_THAT(cut_short.error().what, HasSubstr("cut short"));
  ASSERT_EQ(list_runs(results.path()).size(), 1u);
  EXPECT_FALSE(list_runs(results.path())[0].complete);
  RunRecord record = sample_run();
  record.run = run->run();
  ASSERT_TRUE(run->finish(record));
  const auto whole = read_run(run->path());
  ASSERT_TRUE(whole) << whole.error().message();
  EXPECT_EQ(whole->run, run->run());
  EXPECT_TRUE(list_runs(results.path())[0].complete);
}

TEST(RunFolder, BrokenManifestIsNamed) {
  const TempDir results = temp();
  auto run = RunFolder::create(results.path(), "x");
  ASSERT_TRUE(run && write_file_atomically(run->path() / "manifest.json", "{"));
  const auto record = read_run(run->path());
  ASSERT_FALSE(record);
  EXPECT_THAT(record.error().what, HasSubstr("manifest.json: not JSON"));
}

TEST(RunFolder, OnlyRunsAreListed) {
  const TempDir results = temp();
  fs::create_directory(results.path() / "notes");
  fs::create_directory(results.path() / "20261121-083012-b");
  fs::create_directory(results.path() / "20261120-083012-a");
  ASSERT_TRUE(write_file_atomically(results.path() / "README.md", ""));
  const auto runs = list_runs(results.path());
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].run, "20261120-083012-a");
  EXPECT_TRUE(list_runs("/nonexistent").empty());
}

TEST(RunFolder, FolderThatCannotBeWrittenIsTheRigsFault) {
  const auto run = RunFolder::create("/proc/nowhere", "x");
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().blame, Blame::kRig);
}

TEST(RepeatText, KernelIsPinnedToTheBuildThatRan) {
  EXPECT_EQ(pinned_kernel("debian-6.1", "6.1.0-56-amd64"), "debian-6.1@6.1.0-56");
  EXPECT_EQ(pinned_kernel("debian-6.1@6.1.0-47", "6.1.0-47-arm64"), "debian-6.1@6.1.0-47");
  EXPECT_EQ(pinned_kernel("debian-6.1", ""), "debian-6.1");
  EXPECT_EQ(pinned_kernel("/me@work/k.yaml", "6.1.0-56-amd64"), "/me@work/k.yaml@6.1.0-56");
}

}  // namespace
}  // namespace rig::store
