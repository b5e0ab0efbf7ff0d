// SPDX-License-Identifier: Apache-2.0
// Signature x report x findings -> outcome of an attempt; outcomes -> verdict of a cell. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/findings.h"
#include "base/hang.h"
#include "oops/report.h"
#include "scenario/scenario.h"

namespace rig::verdict {

// Of an attempt. A fault of the rig is never a statement about the kernel.
enum class Outcome { kExpectedCrash, kOtherCrash, kSurvived, kHung, kRigError };
std::string_view to_string(Outcome outcome);  // "expected-crash" ...
std::optional<Outcome> parse_outcome(std::string_view name);

// Of a cell.
enum class Verdict { kPass, kFail, kFlaky, kError };
std::string_view to_string(Verdict verdict);
std::optional<Verdict> parse_verdict(std::string_view name);

// One predicate of the signature, held against what was there.
struct Check {
  std::string predicate;  // "report.address"
  std::string expected;   // "0x106"
  std::string found;      // "0x1234", or "no report"
  bool holds = false;
};

// What an attempt observed. `survived` means that the load ran to its end; a kernel that reported
// something meanwhile did not survive. None of them set: the rig saw no end, which is its own
// fault.
struct Observation {
  bool crashed = false;
  bool hung = false;
  bool survived = false;
  bool in_boot = false;                // before the agent was up
  std::optional<HangKind> hang;        // of `hung`
  std::optional<oops::Report> report;  // the first one
  // Of a hang: what the kernel said to the rig's NMI. It is no crash, and looked at where a
  // signature asks for a report and there was none before.
  std::optional<oops::Report> to_nmi = {};
  const analyzer::Findings* findings = nullptr;
};

struct Judgement {
  Outcome outcome = Outcome::kRigError;
  std::vector<Check> checks;  // all of them; those that do not hold explain the outcome
};

// An expected crash must satisfy every predicate; so must a hang where one is expected. One that is
// not is `hung`, unless the kernel reported it and the signature expects that report. A variant
// that should survive and crashed is an other-crash; one that should crash and survived is
// `survived`: cell_verdict() tells whether that is good.
Judgement judge(const scenario::Expectation& expectation, const Observation& observation);

// pass: every attempt as expected; fail: none was; flaky: some were; error: a rig error, or no
// attempt. `expectation` says whether surviving is what was expected.
Verdict cell_verdict(const scenario::Expectation& expectation, std::span<const Outcome> outcomes);

}  // namespace rig::verdict
