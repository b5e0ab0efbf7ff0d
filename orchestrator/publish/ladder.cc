// SPDX-License-Identifier: Apache-2.0
#include "publish/ladder.h"

#include <algorithm>

#include "base/statistics.h"
#include "base/text.h"

namespace rig::publish {

namespace {

using store::Attempt;
using store::CellRecord;
using verdict::Outcome;

std::optional<double> median_of(const CellRecord& cell, Outcome outcome,
                                std::optional<double> (*value)(const Attempt&)) {
  std::vector<double> values;
  for (const Attempt& attempt : cell.attempts) {
    if (attempt.outcome != outcome) continue;
    if (const auto each = value(attempt)) values.push_back(*each);
  }
  return median(std::move(values));
}

// As the kernel calls the module of that file: "late_completion".
std::string module_name(const CellRecord& cell) {
  return with_underscores(cell.module_file.substr(0, cell.module_file.find('.')));
}

bool mentions(const analyzer::Finding& finding, const std::string& module) {
  const std::string name = "[" + module + "]";
  const auto has = [&](const std::string& text) { return text.find(name) != std::string::npos; };
  return has(finding.summary) || std::any_of(finding.evidence.begin(), finding.evidence.end(), has);
}

Named named_by(const Attempt& attempt, const std::string& module) {
  if (!module.empty()) {
    if (attempt.report && attempt.report->module == module) return Named::kCulprit;
    if (attempt.finding && mentions(*attempt.finding, module)) return Named::kCulpritInCore;
  }
  return attempt.report ? Named::kVictim : Named::kNobody;
}

void describe(const Attempt& attempt, const std::string& module, Rung& rung) {
  if (attempt.report) {
    rung.report = attempt.report->kind;
    rung.function = attempt.report->function;
    if (!attempt.report->module.empty()) rung.function += " [" + attempt.report->module + "]";
  }
  rung.named = named_by(attempt, module);
  if (attempt.finding) {
    rung.evidence =
        fmt::format("{} ({})", attempt.finding->kind, to_string(attempt.finding->confidence));
  }
}

Rung rung_of(const CellRecord& cell) {
  Rung rung;
  rung.kernel = cell.kernel;
  rung.detector = cell.detector;
  rung.attempts = cell.attempts.size();
  for (const Attempt& attempt : cell.attempts) {
    if (attempt.outcome != Outcome::kExpectedCrash) continue;
    if (rung.caught++ == 0) describe(attempt, module_name(cell), rung);
  }
  rung.seconds = median_of(cell, Outcome::kExpectedCrash,
                           [](const Attempt& each) { return each.seconds.crash; });
  rung.work = median_of(cell, Outcome::kExpectedCrash, [](const Attempt& each) {
    return each.work ? std::optional(static_cast<double>(*each.work)) : std::nullopt;
  });
  return rung;
}

// How fast the load runs where nothing ends it.
std::optional<double> rate_beside(const store::RunRecord& run, const CellRecord& faulty) {
  for (const CellRecord& cell : run.cells) {
    if (cell.scenario != faulty.scenario || cell.arch != faulty.arch) continue;
    if (cell.kernel != faulty.kernel || cell.detector != faulty.detector) continue;
    const auto rate = median_of(cell, Outcome::kSurvived,
                                [](const Attempt& each) { return each.work_per_second; });
    if (rate) return rate;
  }
  return std::nullopt;
}

bool is_faulty(const CellRecord& cell) {
  return std::any_of(cell.attempts.begin(), cell.attempts.end(),
                     [](const Attempt& each) { return each.outcome == Outcome::kExpectedCrash; });
}

}  // namespace

std::string_view to_string(Named named) {
  switch (named) {
    case Named::kVictim:
      return "victim";
    case Named::kCulpritInCore:
      return "culprit, in the core";
    case Named::kCulprit:
      return "culprit";
    case Named::kNobody:
      break;
  }
  return "nobody";
}

std::vector<Ladder> ladders(const store::RunRecord& run) {
  std::vector<Ladder> all;
  std::vector<std::optional<double>> first_rates;  // by ladder
  for (const CellRecord& cell : run.cells) {
    if (!is_faulty(cell)) continue;
    auto ladder = std::find_if(all.begin(), all.end(), [&](const Ladder& each) {
      return each.scenario == cell.scenario && each.arch == cell.arch &&
             each.variant == cell.variant;
    });
    const auto rate = rate_beside(run, cell);
    if (ladder == all.end()) {
      all.push_back({cell.scenario, cell.arch, cell.variant, {}});
      first_rates.push_back(rate);
      ladder = std::prev(all.end());
    }
    Rung rung = rung_of(cell);
    const auto& first = first_rates[static_cast<std::size_t>(ladder - all.begin())];
    if (rate && first && *first > 0) rung.speed = *rate / *first;
    ladder->rungs.push_back(std::move(rung));
  }
  std::erase_if(all, [](const Ladder& each) { return each.rungs.size() < 2; });
  return all;
}

}  // namespace rig::publish
