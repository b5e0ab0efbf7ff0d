// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "analyzer/judgement/rules.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxFindings = 16;  // of the heap: the rest is counted
constexpr std::size_t kMaxOthers = 4;     // objects named beside the first

// What a kind of corruption means. One row for each that has a meaning of its own.
struct CorruptionMeaning {
  CorruptionKind kind;
  std::string_view finding;  // the finding's kind
  unsigned rank;             // which of several is nearer to the cause
  Confidence confidence;
};

constexpr CorruptionMeaning kCorruptionMeanings[] = {
    {CorruptionKind::kFreedTwice, "double-free", 0, Confidence::kCertain},
    {CorruptionKind::kPoisonOverwritten, "use-after-free-write", 1, Confidence::kCertain},
    {CorruptionKind::kRedZoneOverwritten, "out-of-bounds-write", 1, Confidence::kCertain},
    {CorruptionKind::kPaddingOverwritten, "out-of-bounds-write", 2, Confidence::kCertain},
    {CorruptionKind::kFreePointerInvalid, "free-pointer-overwritten", 1, Confidence::kCertain},
    {CorruptionKind::kFreePointerForeign, "free-pointer-overwritten", 1, Confidence::kCertain},
    {CorruptionKind::kFreePointerMisaligned, "free-pointer-overwritten", 1, Confidence::kCertain},
    {CorruptionKind::kFreeAndInUse, "free-and-in-use", 2, Confidence::kLikely},
    {CorruptionKind::kSlabLost, "slab-page-freed", 2, Confidence::kLikely},
    {CorruptionKind::kListBroken, "slab-list-broken", 3, Confidence::kLikely},
    {CorruptionKind::kCountsWrong, "slab-counts-wrong", 4, Confidence::kPossible},
};

const CorruptionMeaning& meaning(CorruptionKind kind) {
  const auto row = std::find_if(std::begin(kCorruptionMeanings), std::end(kCorruptionMeanings),
                                [&](const CorruptionMeaning& each) { return each.kind == kind; });
  return row != std::end(kCorruptionMeanings)
             ? *row
             : kCorruptionMeanings[std::size(kCorruptionMeanings) - 1];
}

// "4 bytes at +0x2c8 are 06 01 00 00 where 6b 6b 6b 6b belongs"
std::string wrong_bytes(const SlabCorruption& corruption) {
  if (corruption.found.empty()) return {};
  auto text =
      fmt::format("{} byte{} at {} {} {}", corruption.found.size(),
                  corruption.found.size() == 1 ? "" : "s", signed_hex(corruption.offset),
                  corruption.found.size() == 1 ? "is" : "are", some_bytes(corruption.found));
  if (!corruption.expected.empty())
    text += " where " + some_bytes(corruption.expected) + " belongs";
  return text;
}

Finding describe(const SlabCorruption& corruption) {
  const CorruptionMeaning& means = meaning(corruption.kind);
  Finding finding{std::string(means.finding), means.confidence, corruption.summary, {},
                  corruption.cache,           corruption.object};
  const auto add = [&](std::string text) {
    if (!text.empty()) finding.evidence.push_back(std::move(text));
  };
  if (finding.summary.empty()) {
    finding.summary = fmt::format("{} in {}", to_string(corruption.kind), corruption.cache);
  }
  add(wrong_bytes(corruption));
  if (corruption.pointer) add(fmt::format("the pointer reads {}", *corruption.pointer));
  add_owners(corruption.allocated, corruption.alloc, corruption.free, finding);
  if (!corruption.where.empty()) add("seen: " + corruption.where);
  return finding;
}

// The same thing done to several objects: the same bytes at the same place, by the same hand.
bool same_hand(const SlabCorruption& a, const SlabCorruption& b) {
  return a.kind == b.kind && a.cache == b.cache && a.offset == b.offset && a.found == b.found &&
         !a.found.empty() && !a.pointer && culprit(a.free) == culprit(b.free) &&
         culprit(a.alloc) == culprit(b.alloc);
}

// What is the same as an earlier one only adds its object to that one's finding.
struct Group {
  const SlabCorruption* first = nullptr;
  std::vector<VirtAddr> others;
};

std::vector<Group> group(const std::vector<SlabCorruption>& corruptions) {
  std::vector<Group> groups;
  for (const SlabCorruption& each : corruptions) {
    const auto known = std::find_if(groups.begin(), groups.end(),
                                    [&](const Group& one) { return same_hand(*one.first, each); });
    if (known == groups.end()) {
      groups.push_back({&each, {}});
    } else if (each.object) {
      known->others.push_back(*each.object);
    }
  }
  std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    return meaning(a.first->kind).rank < meaning(b.first->kind).rank;
  });
  return groups;
}

std::string others_words(const std::vector<VirtAddr>& others) {
  std::string text =
      fmt::format("the same in {} more object{}:", others.size(), others.size() == 1 ? "" : "s");
  for (std::size_t i = 0; i < std::min(others.size(), kMaxOthers); ++i)
    text += fmt::format(" {}", others[i]);
  return others.size() > kMaxOthers ? text + " ..." : text;
}

}  // namespace

void look_at_heap(const Findings& facts, std::vector<Finding>& found) {
  const std::vector<Group> groups = group(facts.slab.corruptions);
  const std::size_t shown = std::min(groups.size(), kMaxFindings);
  for (std::size_t i = 0; i < shown; ++i) {
    Finding finding = describe(*groups[i].first);
    if (!groups[i].others.empty()) finding.evidence.push_back(others_words(groups[i].others));
    // What is wrong with an object that was freed twice follows from that.
    Finding* same = finding.object ? about(found, finding.cache, *finding.object) : nullptr;
    if (same != nullptr) {
      same->evidence.push_back(finding.summary);
    } else {
      found.push_back(std::move(finding));
    }
  }
  if (groups.size() > shown) {
    found.back().evidence.push_back(
        fmt::format("and {} more corruptions: `audit` lists them", groups.size() - shown));
  }
}

}  // namespace rig::analyzer
