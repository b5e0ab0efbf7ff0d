// SPDX-License-Identifier: Apache-2.0
#include "verdict/verdict.h"

#include <algorithm>

#include "scenario/cache_name.h"
#include "verdict/hang_checks.h"
#include "verdict/object_check.h"
#include "verdict/predicate_checks.h"

namespace rig::verdict {

namespace {

template <typename E>
struct Named {
  E value;
  std::string_view name;
};

constexpr Named<Outcome> kOutcomes[] = {{Outcome::kExpectedCrash, "expected-crash"},
                                        {Outcome::kOtherCrash, "other-crash"},
                                        {Outcome::kSurvived, "survived"},
                                        {Outcome::kHung, "hung"},
                                        {Outcome::kRigError, "rig-error"}};
constexpr Named<Verdict> kVerdicts[] = {{Verdict::kPass, "pass"},
                                        {Verdict::kFail, "fail"},
                                        {Verdict::kFlaky, "flaky"},
                                        {Verdict::kError, "error"}};

template <typename E, std::size_t N>
std::string_view name_of(const Named<E> (&table)[N], E value) {
  for (const auto& entry : table) {
    if (entry.value == value) return entry.name;
  }
  return "unknown";
}

template <typename E, std::size_t N>
std::optional<E> value_of(const Named<E> (&table)[N], std::string_view name) {
  for (const auto& entry : table) {
    if (entry.name == name) return entry.value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  return name_of(kOutcomes, outcome);
}
std::string_view to_string(Verdict verdict) {
  return name_of(kVerdicts, verdict);
}

std::optional<Outcome> parse_outcome(std::string_view name) {
  return value_of(kOutcomes, name);
}
std::optional<Verdict> parse_verdict(std::string_view name) {
  return value_of(kVerdicts, name);
}

namespace {

// What ended the attempt, in words, for a check about crashing or surviving as such.
std::string ending(const Observation& seen) {
  if (seen.hung && !seen.crashed) {
    return seen.report ? fmt::format("hung after {}", seen.report->title) : "hung";
  }
  if (seen.report) return seen.report->title.empty() ? seen.report->kind : seen.report->title;
  if (seen.crashed) return "a crash without a report";
  return seen.survived ? "survived" : "no end";
}

// Text of the report against text of the predicate.
Check check_text(std::string_view field, const std::string& expected, const oops::Report* report,
                 const std::string& found) {
  Check check{.predicate = fmt::format("report.{}", field),
              .expected = expected,
              .found = "no report",
              .holds = false};
  if (report == nullptr) return check;
  check.found = found.empty() ? "not named by the report" : found;
  check.holds = found == expected;
  return check;
}

Check check_address(std::uint64_t expected, const oops::Report* report) {
  Check check{.predicate = "report.address",
              .expected = fmt::format("{:#x}", expected),
              .found = "no report",
              .holds = false};
  if (report == nullptr) return check;
  check.found =
      report->address ? fmt::format("{:#x}", *report->address) : "not named by the report";
  check.holds = report->address == expected;
  return check;
}

Check check_cache(const std::string& expected, const oops::Report* report) {
  Check check = check_text("cache", expected, report, report == nullptr ? "" : report->cache);
  check.holds = report != nullptr && scenario::canonical_cache_name(report->cache) ==
                                         scenario::canonical_cache_name(expected);
  return check;
}

void check_report(const scenario::ReportPredicate& predicate, const oops::Report* report,
                  std::vector<Check>& checks) {
  const oops::Report none;
  const oops::Report& found = report == nullptr ? none : *report;
  if (predicate.kind) checks.push_back(check_text("kind", *predicate.kind, report, found.kind));
  if (predicate.address) checks.push_back(check_address(*predicate.address, report));
  if (predicate.function) {
    checks.push_back(check_text("function", *predicate.function, report, found.function));
  }
  if (predicate.access) {
    checks.push_back(check_text("access", *predicate.access, report, found.access));
  }
  if (predicate.cache) checks.push_back(check_cache(*predicate.cache, report));
}

// The predicates of an expected crash.
std::vector<Check> check_signature(const scenario::Expectation& expectation,
                                   const Observation& seen) {
  std::vector<Check> checks;
  const auto& said = seen.report || !seen.hung ? seen.report : seen.to_nmi;
  const oops::Report* report = said ? &*said : nullptr;
  if (expectation.report) check_report(*expectation.report, report, checks);
  if (expectation.object) checks.push_back(check_object(*expectation.object, seen.findings));
  for (const auto& each : expectation.corruptions) {
    checks.push_back(check_corruption(each, seen.findings));
  }
  if (!expectation.backtrace.empty()) {
    checks.push_back(check_backtrace(expectation.backtrace, seen.findings));
  }
  for (const auto& each : expectation.percpu) checks.push_back(check_percpu(each, seen.findings));
  for (const auto& each : expectation.memory) checks.push_back(check_memory(each, seen.findings));
  if (expectation.hang) checks.push_back(check_hang(*expectation.hang, seen));
  for (Check& each : check_cpus(expectation.cpus, seen.findings)) {
    checks.push_back(std::move(each));
  }
  for (const auto& each : expectation.tasks) checks.push_back(check_task(each, seen.findings));
  if (!checks.empty() && expectation.during == scenario::During::kBoot) {
    checks.push_back(check_during(expectation.during, seen));
  }
  if (checks.empty()) {
    // load_scenario() lets no such expectation through: any crash would do for it.
    checks.push_back({.predicate = "expect",
                      .expected = "a signature",
                      .found = "nothing to check",
                      .holds = false});
  }
  return checks;
}

// A hang as such, or the kernel's own report of one.
bool hang_is_expected(const scenario::Expectation& expectation, const Observation& seen) {
  const bool reported = seen.report && oops::is_hang(seen.report->kind);
  return seen.hung && (expectation.hang || (reported && expectation.report));
}

}  // namespace

Judgement judge(const scenario::Expectation& expectation, const Observation& seen) {
  const bool crashed = seen.crashed || (seen.report && !seen.hung);
  if (!crashed && !seen.hung && !seen.survived) return {};  // kRigError
  if (expectation.survive) {
    const bool survived = seen.survived && !crashed && !seen.hung;
    const Outcome outcome = crashed     ? Outcome::kOtherCrash
                            : seen.hung ? Outcome::kHung
                                        : Outcome::kSurvived;
    return {outcome,
            {{.predicate = "survives",
              .expected = "yes",
              .found = survived ? "yes" : ending(seen),
              .holds = survived}}};
  }
  Judgement judgement{seen.hung && !crashed ? Outcome::kHung : Outcome::kOtherCrash,
                      check_signature(expectation, seen)};
  if (!crashed && !hang_is_expected(expectation, seen)) {
    judgement.outcome = seen.hung ? Outcome::kHung : Outcome::kSurvived;
    judgement.checks.insert(
        judgement.checks.begin(),
        {.predicate = "crashes", .expected = "yes", .found = ending(seen), .holds = false});
    return judgement;
  }
  const bool all = std::all_of(judgement.checks.begin(), judgement.checks.end(),
                               [](const Check& check) { return check.holds; });
  if (all) judgement.outcome = Outcome::kExpectedCrash;
  return judgement;
}

Verdict cell_verdict(const scenario::Expectation& expectation, std::span<const Outcome> outcomes) {
  const Outcome wanted = expectation.survive ? Outcome::kSurvived : Outcome::kExpectedCrash;
  const auto errors = std::count(outcomes.begin(), outcomes.end(), Outcome::kRigError);
  if (outcomes.empty() || errors > 0) return Verdict::kError;
  const auto good = std::count(outcomes.begin(), outcomes.end(), wanted);
  if (good == 0) return Verdict::kFail;
  return static_cast<std::size_t>(good) == outcomes.size() ? Verdict::kPass : Verdict::kFlaky;
}

}  // namespace rig::verdict
