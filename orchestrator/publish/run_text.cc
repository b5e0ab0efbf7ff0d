// SPDX-License-Identifier: Apache-2.0
#include "publish/run_text.h"

#include <algorithm>
#include <map>

#include "base/statistics.h"
#include "base/text.h"
#include "base/text_table.h"
#include "publish/cmdline_text.h"
#include "publish/ladder.h"
#include "publish/terminal.h"

namespace rig::publish {

namespace {

using store::Attempt;
using store::CellRecord;
using verdict::Outcome;
using verdict::Verdict;

Colour colour_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return Colour::kGreen;
    case Verdict::kFail:
      return Colour::kRed;
    case Verdict::kFlaky:
    case Verdict::kError:
      return Colour::kYellow;
  }
  return Colour::kNone;
}

std::string cell_name(const CellRecord& cell) {
  return printable(fmt::format("{}/{}/{}/{}/{}", cell.scenario, cell.arch, cell.kernel,
                               cell.detector, cell.variant));
}

// "3 expected-crash", "2 expected-crash, 1 survived".
std::string outcomes_of(const CellRecord& cell) {
  std::map<Outcome, std::size_t> counts;
  for (const Attempt& attempt : cell.attempts) ++counts[attempt.outcome];
  std::string text;
  for (const auto& [outcome, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, to_string(outcome));
  }
  return text.empty() ? "none" : text;
}

std::string usual(const CellRecord& cell, std::optional<double> store::PhaseSeconds::*phase) {
  std::vector<double> values;
  for (const Attempt& attempt : cell.attempts) {
    if (const auto seconds = attempt.seconds.*phase) values.push_back(*seconds);
  }
  const auto seconds = median(std::move(values));
  return seconds ? human_seconds(*seconds) : "-";
}

std::string table(const store::RunRecord& run, bool colour) {
  TextTable table({"<CELL", "<VERDICT", "<ATTEMPTS", ">BOOT", ">CRASH", ">CAPTURE", ">ANALYZE"});
  for (const CellRecord& cell : run.cells) {
    table.row({cell_name(cell), std::string(to_string(cell.verdict)), outcomes_of(cell),
               usual(cell, &store::PhaseSeconds::boot), usual(cell, &store::PhaseSeconds::crash),
               usual(cell, &store::PhaseSeconds::capture),
               usual(cell, &store::PhaseSeconds::analyze)});
  }
  constexpr std::size_t kVerdict = 1;
  return table.text("", [&](std::size_t row, std::size_t column, const std::string& text) {
    if (row == TextTable::kHeader) return paint(text, Colour::kBold, colour);
    if (column == kVerdict) return paint(text, colour_of(run.cells[row].verdict), colour);
    return text;
  });
}

// Attempts with the same text about them, by their numbers.
struct Group {
  std::vector<std::size_t> numbers;
  const Attempt* first = nullptr;
};

std::string alike_key(const Attempt& attempt) {
  std::string key = fmt::format("{}\n{}\n", to_string(attempt.outcome), attempt.error);
  if (attempt.report) key += attempt.report->title;
  for (const verdict::Check& check : attempt.checks) {
    if (!check.holds) key += "\n" + check.predicate;
  }
  return key;
}

std::vector<Group> group_alike(const CellRecord& cell) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < cell.attempts.size(); ++i) {
    const auto [at, is_new] = known.emplace(alike_key(cell.attempts[i]), groups.size());
    if (is_new) groups.push_back({.numbers = {}, .first = &cell.attempts[i]});
    groups[at->second].numbers.push_back(i + 1);
  }
  return groups;
}

std::string describe_numbers(const std::vector<std::size_t>& numbers) {
  if (numbers.size() == 1) return fmt::format("attempt {}", numbers[0]);
  constexpr std::size_t kShown = 8;
  const auto end = numbers.begin() + static_cast<std::ptrdiff_t>(std::min(numbers.size(), kShown));
  return fmt::format("{} attempts alike ({}{}), first", numbers.size(),
                     fmt::join(numbers.begin(), end, ", "), numbers.size() > kShown ? ", ..." : "");
}

// The checks that do not hold, expected beside found.
std::string failed_checks(const Attempt& attempt, bool colour) {
  std::size_t name = 0, expected = std::string_view("expected").size();
  bool any = false;
  for (const verdict::Check& check : attempt.checks) {
    if (check.holds) continue;
    any = true;
    name = std::max(name, printable(check.predicate).size());
    expected = std::max(expected, printable(check.expected).size());
  }
  if (!any) return {};
  std::string out = paint(fmt::format("      {:{}}  {:{}}  found", "", name, "expected", expected),
                          Colour::kDim, colour) +
                    "\n";
  for (const verdict::Check& check : attempt.checks) {
    if (check.holds) continue;
    out += fmt::format("      {:{}}  {:{}}  {}\n", printable(check.predicate), name,
                       printable(check.expected), expected,
                       paint(printable(check.found), Colour::kRed, colour));
  }
  return out;
}

std::string attempt_text(const Group& group, const TextOptions& options) {
  const Attempt& attempt = *group.first;
  std::string out = fmt::format("    {}: {}{}{}\n", describe_numbers(group.numbers),
                                paint(to_string(attempt.outcome), Colour::kBold, options.colour),
                                attempt.reason.empty() ? "" : ", ", printable(attempt.reason));
  if (!attempt.error.empty()) {
    for (const std::string& line : split(attempt.error, '\n')) {
      out += fmt::format("      {}\n", printable(line));
    }
  }
  out += failed_checks(attempt, options.colour);
  const auto add = [&](std::string_view what, const std::string& value) {
    if (!value.empty()) out += fmt::format("      {:<8} {}\n", what, printable(value));
  };
  const auto place = [&](const std::string& path) {
    return path.empty() ? path : (options.folder / path).string();
  };
  if (attempt.stopped) {
    add("stopped", fmt::format("at {} on CPU {} after {}", attempt.stopped->function,
                               attempt.stopped->cpu, human_seconds(attempt.stopped->seconds)));
  }
  if (attempt.report) add("report", attempt.report->title);
  for (const std::string& error : attempt.retried) add("retried", split(error, '\n').front());
  add("core", place(attempt.core));
  add("console", place(attempt.console));
  return out;
}

// Which attempts of a cell that did not pass are worth showing: for a flaky cell all kinds, so that
// the good ones can be compared with the bad.
std::string details(const CellRecord& cell, const TextOptions& options) {
  std::string out = fmt::format(
      "\n  {}  {}\n", paint(to_string(cell.verdict), colour_of(cell.verdict), options.colour),
      cell_name(cell));
  for (const Group& group : group_alike(cell)) out += attempt_text(group, options);
  if (cell.attempts.empty()) out += "    no attempt was made\n";
  return out;
}

// Attempts that needed another try, of all cells: they count as what they ended in.
std::string retries_text(const store::RunRecord& run) {
  std::size_t count = 0;
  std::string_view error;
  for (const CellRecord& cell : run.cells) {
    for (const Attempt& attempt : cell.attempts) {
      if (attempt.retried.empty()) continue;
      if (count++ == 0) error = attempt.retried.front();
    }
  }
  if (count == 0) return {};
  return fmt::format("The rig failed {} attempt{} at first and made {} again; {}: {}\n", count,
                     count == 1 ? "" : "s", count == 1 ? "it" : "them",
                     count == 1 ? "why" : "the first because",
                     printable(error.substr(0, error.find('\n'))));
}

}  // namespace

std::string run_text(const store::RunRecord& run, const TextOptions& options) {
  std::string out = table(run, options.colour);
  std::size_t passed = 0;
  for (const CellRecord& cell : run.cells) {
    if (cell.verdict == Verdict::kPass) {
      ++passed;
    } else {
      out += details(cell, options);
    }
  }
  if (const std::string text = ladder_text(ladders(run), options.colour); !text.empty()) {
    out += "\n" + text;
  }
  if (const std::string line = cmdline_text(run); !line.empty()) out += "\n" + line;
  if (const std::string line = retries_text(run); !line.empty()) out += "\n" + line;
  const std::string summary = fmt::format("{} of {} cell{} as expected", passed, run.cells.size(),
                                          run.cells.size() == 1 ? "" : "s");
  out += "\n" + paint(summary, run.ok ? Colour::kGreen : Colour::kRed, options.colour);
  if (!options.folder.empty()) out += fmt::format("; records: {}", options.folder.string());
  out += "\n";
  return out;
}

}  // namespace rig::publish
