// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "analyzer/judgement/rules.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxBytes = 16;

// Functions that allocate and free for others, by how their names begin: mm/slub.c,
// mm/slab_common.c, mm/util.c, lib/stackdepot.c, mm/kasan/common.c.
constexpr std::string_view kAllocators[] = {
    "kasan_",      "__kasan_",  "kmem_cache_",   "__kmem_cache_", "kmalloc",     "__kmalloc",
    "kfree",       "__kfree",   "kvfree",        "kvmalloc",      "___slab_",    "__slab_",
    "slab_",       "set_track", "save_stack",    "stack_trace_",  "alloc_debug", "free_debug",
    "krealloc",    "kmemdup",   "kstrdup",       "kzalloc",       "free_to_",    "alloc_single_",
    "get_partial", "do_slab_",  "allocate_slab", "new_slab",      "__free_slab", "free_object",
};

bool allocates(std::string_view function) {
  return std::any_of(std::begin(kAllocators), std::end(kAllocators),
                     [&](std::string_view prefix) { return function.starts_with(prefix); });
}

}  // namespace

std::string function_words(const CodeLocation& at) {
  if (at.function.empty()) return fmt::format("{}", at.address);
  return at.module.empty() ? at.function : fmt::format("{} [{}]", at.function, at.module);
}

std::string culprit(const std::optional<ObjectTrack>& track) {
  if (!track) return {};
  // A call in tail position leaves no frame of its own: the caller that was noted comes first.
  if (track->caller && !allocates(track->caller->function)) return function_words(*track->caller);
  for (const CodeLocation& at : track->stack) {
    if (!at.function.empty() && !allocates(at.function)) return function_words(at);
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

Finding* about(std::vector<Finding>& found, std::string_view cache, VirtAddr object) {
  const auto same = std::find_if(found.begin(), found.end(), [&](const Finding& each) {
    return each.object == object && each.cache == cache;
  });
  return same != found.end() ? &*same : nullptr;
}

}  // namespace rig::analyzer
