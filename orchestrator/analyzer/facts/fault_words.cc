// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/fault_words.h"

#include <cstdlib>

namespace rig::analyzer {
namespace {

constexpr std::int64_t kPage = 4096;

// Values that the kernel itself puts where nobody may go. include/linux/poison.h, with
// CONFIG_ILLEGAL_POINTER_VALUE of 0xdead000000000000.
struct Poison {
  std::uint64_t value;
  std::uint64_t room;  // so far behind it
  std::string_view words;
};
constexpr Poison kPoisons[] = {
    {0xdead'0000'0000'0100, 0x21, "LIST_POISON1, the next element of one that was taken off"},
    {0xdead'0000'0000'0122, 0x21, "LIST_POISON2, the element before one that was taken off"},
    {0x6b6b'6b6b'6b6b'6b6b, 0, "what slub_debug fills free objects with"},
    {0x5a5a'5a5a'5a5a'5a5a, 0, "what slub_debug fills new objects with"},
    {0xcccc'cccc'cccc'cccc, 0, "what red zones of objects in use hold"},
    {0xaaaa'aaaa'aaaa'aaaa, 0, "what freed or poisoned pages hold"},
};

// Of the value itself, or of the one that a step back shows.
std::string_view poison_words(const FaultFacts& facts) {
  for (const Poison& each : kPoisons) {
    if (facts.value - each.value <= each.room) return each.words;
    for (const FaultStep& step : facts.steps) {
      if (step.value && *step.value - each.value <= each.room) return each.words;
    }
  }
  return {};
}

std::string what_happened(const FaultFacts& facts) {
  if (facts.access == "execute") {
    return fmt::format("the CPU was sent to {:#x}, which is no code{}", facts.value,
                       facts.instruction.empty() ? "" : fmt::format(", by {}", facts.instruction));
  }
  if (facts.access == "divide") {
    return fmt::format("{} divides by {} = {:#x}", facts.instruction, facts.reg, facts.value);
  }
  std::string text = fmt::format("{} held {:#x}", facts.reg, facts.value);
  if (facts.value == 0) text = fmt::format("{} was NULL", facts.reg);
  // include/linux/err.h
  if (facts.value > ~std::uint64_t{4095}) {
    text += fmt::format(", the error {}", static_cast<std::int64_t>(facts.value));
  }
  if (const auto words = poison_words(facts); !words.empty()) text += fmt::format(" ({})", words);
  if (facts.access.empty() || !facts.address) return text;
  const bool near = facts.offset > -kPage && facts.offset < kPage;
  const bool says = near && (facts.offset != 0 || !facts.member.empty());
  if (says) text += fmt::format(", {}", facts.access);
  if (near && facts.offset != 0) {
    text +=
        fmt::format(" {:#x} {} it", std::abs(facts.offset), facts.offset > 0 ? "behind" : "before");
  }
  if (!facts.member.empty()) text += fmt::format(" ({})", facts.member);
  return text;
}

// What members mean that everybody stumbles over.
std::string meaning(const TypedPlace& place, const Kernel& kernel) {
  constexpr std::uint64_t kMaxName = 64;
  if (place.member.path != "kmem_cache_cpu.freelist") return {};
  std::string text = "the next object that this CPU would have given out";
  if (place.through != "kmem_cache.cpu_slab" || !place.through_owner) return text;
  const auto name = kernel.field(VirtAddr{*place.through_owner}, "kmem_cache.name");
  if (!name) return text;
  return text + fmt::format(" of {}", kernel.memory().c_string(VirtAddr{*name}, kMaxName));
}

}  // namespace

std::string verdict_of(const FaultFacts& facts, const std::optional<TypedPlace>& place,
                       const Kernel& kernel) {
  std::string text = what_happened(facts);
  if (!facts.source) {
    const bool constant = !facts.steps.empty() && facts.steps.back().confirmed;
    if (facts.steps.empty()) return text + "; where the value came from is not proven";
    if (!constant) text += "; not proven: ";
    return text + (constant ? "; " : "") + facts.steps.back().words;
  }
  text += fmt::format("; it came from {}", facts.source_member.empty()
                                               ? fmt::format("{}", facts.source->value)
                                               : facts.source_member);
  if (place && place->cast_owner) {
    text += fmt::format(" of the {} at {:#x}", place->cast_type, *place->cast_owner);
  }
  if (place) {
    if (const auto means = meaning(*place, kernel); !means.empty()) text += ", " + means;
  }
  if (facts.source->object) {
    text += fmt::format(", {:#x} into {} object {}", facts.source->offset,
                        facts.source->object->cache, facts.source->object->address);
  } else if (!facts.source->what.empty()) {
    text += fmt::format(", at {}: {}", facts.source->value, facts.source->what);
  }
  return text;
}

}  // namespace rig::analyzer
