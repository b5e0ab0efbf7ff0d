// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "analyzer/judgement/rules.h"

namespace rig::analyzer {
namespace {

// What a checker's report means, by the ids of oops' table of formats.
struct ReportMeaning {
  std::string_view report;  // how the id begins
  std::string_view access;  // of it; empty: any
  std::string_view finding;
};

// The special ones first.
constexpr ReportMeaning kReportMeanings[] = {
    {"kasan-double-free", "", "double-free"},
    {"kasan-invalid-free", "", "invalid-free"},
    {"kasan-use-after-free", "write", "use-after-free-write"},
    {"kasan-use-after-free", "", "use-after-free-read"},
    {"kasan-slab-out-of-bounds", "write", "out-of-bounds-write"},
    {"kasan-slab-out-of-bounds", "", "out-of-bounds-read"},
    {"kasan-global-out-of-bounds", "", "out-of-bounds-global"},
    {"kasan-stack-out-of-bounds", "", "out-of-bounds-stack"},
    {"kasan-", "write", "invalid-write"},
    {"kasan-", "", "invalid-read"},
    {"kfence-use-after-free", "", "use-after-free-read"},
    {"kfence-out-of-bounds", "", "out-of-bounds-read"},
    {"kfence-invalid-free", "", "invalid-free"},
    {"kfence-", "", "memory-corruption"},
    {"slub-poison-overwritten", "", "use-after-free-write"},
    {"slub-redzone-overwritten", "", "out-of-bounds-write"},
    {"slub-padding-overwritten", "", "out-of-bounds-write"},
    {"slub-object-already-free", "", "double-free"},
    {"slub-freechain-corrupt", "", "free-pointer-overwritten"},
    {"slub-not-a-slab-page", "", "invalid-free"},
    {"slub-", "", "slab-damaged"},
    {"list-corruption", "", "list-corrupted"},
    {"refcount", "", "reference-count-wrong"},
};

const ReportMeaning* meaning(const oops::Report& report) {
  for (const ReportMeaning& each : kReportMeanings) {
    if (!report.kind.starts_with(each.report)) continue;
    if (each.access.empty() || each.access == report.access) return &each;
  }
  return nullptr;
}

// The object that the report is about, where the pointers of the crash lead to it; null: to none.
const SlabObject* object_of(const Findings& facts, const oops::Report& report) {
  if (!report.address) return nullptr;
  for (const PointerFacts& each : facts.pointers) {
    if (!each.object) continue;
    // An access out of bounds is behind the object, or before it.
    if (raw(each.value) == *report.address) return &*each.object;
    const auto offset = *report.address - raw(each.object->address);
    if (offset < each.object->object_size) return &*each.object;
  }
  return nullptr;
}

bool same_cache(const Finding& finding, const oops::Report& report) {
  return !report.cache.empty() && finding.cache == report.cache;
}

}  // namespace

void look_at_checkers(const Findings& facts, std::vector<Finding>& found) {
  const auto report = oops::cause(facts.reports);
  const ReportMeaning* means = report ? meaning(*report) : nullptr;
  if (means == nullptr) return;
  const auto said = fmt::format("the kernel reported it: {}", report->title);
  // The audit saw the same: the report is one more reason.
  for (Finding& each : found) {
    if (each.kind != means->finding || !same_cache(each, *report)) continue;
    each.evidence.push_back(said);
    return;
  }
  const SlabObject* object = object_of(facts, *report);
  Finding finding{std::string(means->finding), Confidence::kCertain, {}, {}, report->cache, {}};
  if (object != nullptr) finding.object = object->address;
  finding.summary = report->title;
  if (!report->cache.empty()) finding.summary += ", an object of " + report->cache;
  if (!report->function.empty())
    finding.evidence.push_back("caught in the act: " + function_words(*report));
  if (report->address) finding.evidence.push_back(fmt::format("at {:#x}", *report->address));
  if (object != nullptr) add_owners(*object, finding);
  // Who was caught in the act comes before what the audit found in what was left; SLUB and the
  // lists only notice, later, like the audit.
  const bool in_the_act = report->kind.starts_with("kasan-") || report->kind.starts_with("kfence-");
  found.insert(in_the_act ? found.begin() : found.end(), std::move(finding));
}

void look_at_report(const Findings& facts, std::vector<Finding>& found) {
  const auto report = oops::cause(facts.reports);
  if (!report || meaning(*report) != nullptr) return;
  if (!found.empty()) return;
  Finding finding{
      std::string(kUnexplained), Confidence::kPossible, report->title, {}, report->cache, {}};
  if (finding.summary.empty()) finding.summary = report->kind;
  if (!report->function.empty()) finding.evidence.push_back("in " + function_words(*report));
  finding.evidence.push_back("nothing in the core explains it further");
  found.push_back(std::move(finding));
}

}  // namespace rig::analyzer
