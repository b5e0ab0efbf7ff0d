// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "analyzer/allocator_functions.h"
#include "analyzer/judgement/rules.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxBytes = 16;

}  // namespace

std::string function_words(const CodeLocation& at) {
  if (at.function.empty()) return fmt::format("{}", at.address);
  return at.module.empty() ? at.function : fmt::format("{} [{}]", at.function, at.module);
}

std::string culprit(const std::optional<ObjectTrack>& track) {
  if (!track) return {};
  // A call in tail position leaves no frame of its own: the caller that was noted comes first.
  if (track->caller && !allocates_for_others(*track->caller)) return function_words(*track->caller);
  for (const CodeLocation& at : track->stack) {
    if (!at.function.empty() && !allocates_for_others(at)) return function_words(at);
  }
  return {};
}

std::string track_words(const std::optional<ObjectTrack>& track) {
  std::string text = culprit(track);
  if (text.empty()) return text;
  if (track->cpu) text += fmt::format(", on CPU {}", *track->cpu);
  if (track->pid) text += fmt::format(", by pid {}", *track->pid);
  if (track->seconds_ago) text += fmt::format(", {:.3g} s before the end", *track->seconds_ago);
  return text;
}

std::string some_bytes(ByteView bytes) {
  return hex_bytes(bytes, kMaxBytes);
}

std::string object_words(std::string_view cache, VirtAddr object, std::int64_t offset) {
  return fmt::format("{} object {} {}", cache, object, signed_hex(offset));
}

std::string function_words(const oops::Report& report) {
  std::string text = report.function;
  if (!report.module.empty()) text += fmt::format(" [{}]", report.module);
  return text;
}

void add_owners(std::optional<bool> allocated, const std::optional<ObjectTrack>& alloc,
                const std::optional<ObjectTrack>& free, Finding& finding) {
  const auto add = [&](std::string_view what, const std::optional<ObjectTrack>& track) {
    if (const auto who = track_words(track); !who.empty()) {
      finding.evidence.push_back(fmt::format("{} by {}", what, who));
    }
  };
  if (allocated == false) add("freed", free);
  add("allocated", alloc);
  if (allocated != false) add(allocated ? "freed before that" : "freed", free);
}

void add_owners(const SlabObject& object, Finding& finding) {
  add_owners(object.allocated, object.allocated_by, object.freed_by, finding);
}

Finding* about(std::vector<Finding>& found, std::string_view cache, VirtAddr object) {
  const auto same = std::find_if(found.begin(), found.end(), [&](const Finding& each) {
    return each.object == object && each.cache == cache;
  });
  return same != found.end() ? &*same : nullptr;
}

}  // namespace rig::analyzer
