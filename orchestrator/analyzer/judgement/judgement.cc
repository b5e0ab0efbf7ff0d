// SPDX-License-Identifier: Apache-2.0
#include "analyzer/judgement/judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analyzer/judgement/rules.h"
#include "analyzer/reporting_cpu.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kReasons = 3;  // given in the paragraph; the findings have all

constexpr std::array<std::pair<Confidence, std::string_view>, 3> kConfidences = {
    {{Confidence::kPossible, "possible"},
     {Confidence::kLikely, "likely"},
     {Confidence::kCertain, "certain"}}};

// A sentence ends with one full stop.
std::string sentence(std::string text) {
  if (text.empty()) return text;
  if (text.back() != '.') text += '.';
  return text + " ";
}

std::string what_happened(const Findings& facts) {
  const auto report = oops::cause(facts.reports);
  if (report && !report->title.empty()) {
    auto text = fmt::format("The kernel said \"{}\"", report->title);
    if (report->address) text += fmt::format(" at address {:#x}", *report->address);
    if (!report->comm.empty()) text += fmt::format(", while {} ran", report->comm);
    if (report->cpu) text += fmt::format(" on CPU {}", *report->cpu);
    return sentence(text);
  }
  if (facts.panic) return sentence(fmt::format("The kernel panicked: {}", *facts.panic));
  for (const CpuFacts& cpu : facts.cpus) {
    const auto* function = report_begun(cpu);
    if (function == nullptr) continue;
    return sentence(fmt::format("The guest was stopped when CPU {} came to {}: {}", cpu.index,
                                function->name, function->when));
  }
  return {};
}

// The first few: a paragraph is not a list.
std::string reasons(const Finding& finding) {
  std::string text;
  const std::size_t shown = std::min(finding.evidence.size(), kReasons);
  for (std::size_t i = 0; i < shown; ++i) {
    text += (i == 0 ? "" : "; ") + finding.evidence[i];
  }
  return text.empty() ? text : sentence("What shows it: " + text);
}

std::string first_words(const Finding& finding) {
  switch (finding.confidence) {
    case Confidence::kCertain:
      return "The cause is this: ";
    case Confidence::kLikely:
      return "The likely cause: ";
    case Confidence::kPossible:
      return "Perhaps the cause: ";
  }
  return {};
}

std::string explain(const Findings& facts, const std::vector<Finding>& found) {
  std::string text = what_happened(facts);
  if (found.empty()) {
    const bool looked = facts.slab.audited;
    text += sentence(text.empty() ? "Nothing in this core says that anything is wrong"
                                  : "Nothing in the core tells why");
    if (looked) {
      text += sentence(fmt::format("All {} slab caches are in order", facts.slab.caches.size()));
    }
    text.pop_back();
    return text;
  }
  if (found.front().kind == kUnexplained) {
    text += sentence("Nothing in the core explains it further");
  } else {
    text += sentence(first_words(found.front()) + found.front().summary);
    text += reasons(found.front());
  }
  if (found.size() > 1) {
    text += sentence("Beside it: " + found[1].summary);
    if (found.size() > 2)
      text += sentence(fmt::format("{} more findings are listed", found.size() - 2));
  }
  text.pop_back();
  return text;
}

}  // namespace

std::string_view to_string(Confidence confidence) {
  for (const auto& [value, name] : kConfidences) {
    if (value == confidence) return name;
  }
  return "?";
}

std::optional<Confidence> parse_confidence(std::string_view text) {
  for (const auto& [value, name] : kConfidences) {
    if (name == text) return value;
  }
  return std::nullopt;
}

Judgement judge(const Findings& facts) {
  Judgement judgement;
  for (const Rule& rule : all_rules()) rule.look(facts, judgement.findings);
  judgement.explanation = explain(facts, judgement.findings);
  return judgement;
}

}  // namespace rig::analyzer
