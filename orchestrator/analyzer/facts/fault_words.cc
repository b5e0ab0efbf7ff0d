// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/fault_words.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kPage = 4096;

std::string what_happened(const FaultFacts& facts) {
  if (facts.access == "execute") {
    return fmt::format("the CPU was sent to {:#x}, which is no code{}", facts.value,
                       facts.instruction.empty()
                           ? ""
                           : fmt::format(", by {} of {}", facts.instruction, "its caller"));
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
  const bool near = facts.offset > -static_cast<std::int64_t>(kPage) &&
                    facts.offset < static_cast<std::int64_t>(kPage);
  if (facts.address && near && facts.offset != 0) {
    text += fmt::format(", and {:#x} is the offset of {} behind it", facts.offset,
                        facts.member.empty() ? "what was wanted" : facts.member);
  } else if (!facts.member.empty()) {
    text += fmt::format(" where {} was wanted", facts.member);
  }
  return text;
}

// "the cache's next free object", of a place that says so.
std::string meaning(const TypedPlace& place) {
  if (place.member.path == "kmem_cache_cpu.freelist") {
    return "the next object that this CPU would have given out";
  }
  return {};
}

}  // namespace

std::string verdict_of(const FaultFacts& facts, const std::optional<TypedPlace>& place) {
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
    if (const auto means = meaning(*place); !means.empty()) text += ", " + means;
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
