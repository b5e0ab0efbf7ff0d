// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "analyzer/judgement/rules.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxFindings = 16;  // of the heap: the rest is counted

// What a kind of corruption means. One row for each that has a meaning of its own.
struct Meaning {
  CorruptionKind kind;
  std::string_view finding;  // the finding's kind
  unsigned rank;             // which of several is nearer to the cause
  Confidence confidence;
};

constexpr Meaning kMeanings[] = {
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

const Meaning& meaning(CorruptionKind kind) {
  const auto row = std::find_if(std::begin(kMeanings), std::end(kMeanings),
                                [&](const Meaning& each) { return each.kind == kind; });
  return row != std::end(kMeanings) ? *row : kMeanings[std::size(kMeanings) - 1];
}

// "4 bytes at +0x2c8 are 06 01 00 00 where 6b 6b 6b 6b belongs"
std::string wrong_bytes(const SlabCorruption& corruption) {
  if (corruption.found.empty()) return {};
  auto text =
      fmt::format("{} byte{} at {} {} {}", corruption.found.size(),
                  corruption.found.size() == 1 ? "" : "s", offset_words(corruption.offset),
                  corruption.found.size() == 1 ? "is" : "are", byte_words(corruption.found));
  if (!corruption.expected.empty())
    text += " where " + byte_words(corruption.expected) + " belongs";
  return text;
}

Finding describe(const SlabCorruption& corruption) {
  const Meaning& means = meaning(corruption.kind);
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
  if (!corruption.where.empty()) add("seen on the way: " + corruption.where);
  if (const auto who = track_words(corruption.alloc); !who.empty()) add("allocated by " + who);
  if (const auto who = track_words(corruption.free); !who.empty()) add("freed by " + who);
  return finding;
}

}  // namespace

void look_at_heap(const Findings& facts, std::vector<Finding>& found) {
  std::vector<const SlabCorruption*> corruptions;
  for (const SlabCorruption& each : facts.slab.corruptions) corruptions.push_back(&each);
  std::stable_sort(corruptions.begin(), corruptions.end(), [](const auto* a, const auto* b) {
    return meaning(a->kind).rank < meaning(b->kind).rank;
  });
  const std::size_t shown = std::min(corruptions.size(), kMaxFindings);
  for (std::size_t i = 0; i < shown; ++i) {
    Finding finding = describe(*corruptions[i]);
    // What is wrong with an object that was freed twice follows from that.
    Finding* same = finding.object ? about(found, finding.cache, *finding.object) : nullptr;
    if (same != nullptr) {
      same->evidence.push_back(finding.summary);
    } else {
      found.push_back(std::move(finding));
    }
  }
  if (corruptions.size() > shown) {
    found.back().evidence.push_back(
        fmt::format("and {} more corruptions: `audit` lists them", corruptions.size() - shown));
  }
}

}  // namespace rig::analyzer
