// SPDX-License-Identifier: Apache-2.0
// Signature x report x findings -> outcome of an attempt; outcomes -> verdict of a cell. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/findings.h"
#include "oops/report.h"
#include "scenario/scenario.h"

namespace rig::verdict {

// Of an attempt. A fault of the rig is never a statement about the kernel.
enum class Outcome { kExpectedCrash, kOtherCrash, kSurvived, kHung, kRigError };
std::string_view to_string(Outcome outcome);  // "expected-crash" ...

// Of a cell.
enum class Verdict { kPass, kFail, kFlaky, kError };
std::string_view to_string(Verdict verdict);

// One predicate of the signature, held against what was there.
struct Check {
  std::string predicate;  // "report.address"
  std::string expected;   // "0x106"
  std::string found;      // "0x1234", or "no report"
  bool holds = false;
};

// What an attempt observed. `survived` means that the load ran to its end.
struct Observation {
  bool crashed = false;
  bool hung = false;
  bool survived = false;
  std::optional<oops::Report> report;  // the first one
  const analyzer::Findings* findings = nullptr;
};

struct Judgement {
  Outcome outcome = Outcome::kRigError;
  std::vector<Check> checks;  // all of them; those that do not hold explain the outcome
};

Judgement judge(const scenario::Expectation& expectation, const Observation& observation);

// pass: every attempt as expected; fail: none was; flaky: some were; error: a rig error, or no
// attempt. `expectation` says whether surviving is what was expected.
Verdict cell_verdict(const scenario::Expectation& expectation, std::span<const Outcome> outcomes);

}  // namespace rig::verdict
