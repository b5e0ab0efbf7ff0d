// SPDX-License-Identifier: Apache-2.0
#include "verdict/object_check.h"

#include <map>
#include <set>

#include "base/bytes.h"
#include "scenario/cache_name.h"
#include "verdict/words.h"

namespace rig::verdict {

namespace {

using scenario::ObjectPredicate;

// The little-endian value of `size` bytes, or nothing when the core does not hold all of them.
std::optional<std::uint64_t> value_at(ByteView content, std::uint64_t offset, unsigned size) {
  const auto bytes = slice(content, offset, size);
  if (!bytes || size > sizeof(std::uint64_t)) return std::nullopt;
  std::uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    value |= std::to_integer<std::uint64_t>((*bytes)[i]) << (8 * i);
  }
  return value;
}

std::string describe(const ObjectPredicate& predicate) {
  auto text = fmt::format("{} object holds {:#x} ({} byte{}) at +{:#x}",
                          predicate.cache ? *predicate.cache : "a slab", predicate.holds,
                          predicate.size, predicate.size == 1 ? "" : "s", predicate.offset);
  if (predicate.allocated) text += *predicate.allocated ? ", allocated" : ", free";
  if (predicate.was) text += ", was a " + *predicate.was;
  return text;
}

// What the object at `address` was before, by its content; empty: not known for sure.
std::string former_type(const analyzer::Findings& findings, VirtAddr address) {
  for (const analyzer::ProvenanceFacts& each : findings.provenance) {
    if (each.object == address && each.certain && !each.guesses.empty()) {
      return each.guesses.front().type;
    }
  }
  return {};
}

// "struct lc_command" and "lc_command" are the same.
bool same_type(std::string_view found, std::string_view wanted) {
  constexpr std::string_view kStruct = "struct ";
  if (found.starts_with(kStruct)) found.remove_prefix(kStruct.size());
  if (wanted.starts_with(kStruct)) wanted.remove_prefix(kStruct.size());
  return found == wanted;
}

// What beside its value speaks against the object; empty: nothing does.
std::string objection(const ObjectPredicate& predicate, const analyzer::SlabObject& object,
                      const analyzer::Findings& findings) {
  if (predicate.allocated && object.allocated != predicate.allocated) {
    return !object.allocated   ? ", but whether it is allocated is not known"
           : *object.allocated ? ", but it is allocated"
                               : ", but it is free";
  }
  if (!predicate.was) return {};
  const std::string type = former_type(findings, object.address);
  if (type.empty()) return ", but what it was is not known";
  return same_type(type, *predicate.was) ? "" : ", but it was a " + type;
}

// All objects that pointers lead to, each once, by address; several pointers may lead to one.
std::map<VirtAddr, const analyzer::SlabObject*> objects_of(const analyzer::Findings& findings) {
  std::map<VirtAddr, const analyzer::SlabObject*> objects;
  for (const analyzer::PointerFacts& pointer : findings.pointers) {
    if (pointer.object) objects.emplace(pointer.object->address, &*pointer.object);
  }
  if (findings.fault && findings.fault->source && findings.fault->source->object) {
    const analyzer::SlabObject& source = *findings.fault->source->object;
    objects.emplace(source.address, &source);
  }
  return objects;
}

// Why there was nothing to compare with.
std::string nothing_found(const ObjectPredicate& predicate, const std::set<std::string>& others) {
  if (others.empty()) return "no pointer leads to a slab object";
  const std::vector<std::string> names(others.begin(), others.end());
  return fmt::format("no pointer leads to a slab object of {} (only of {})", *predicate.cache,
                     join_some(names));
}

}  // namespace

Check check_object(const ObjectPredicate& predicate, const analyzer::Findings* findings) {
  Check check{.predicate = "object", .expected = describe(predicate), .found = {}, .holds = false};
  if (findings == nullptr) {
    check.found = "no findings: the core was not analyzed";
    return check;
  }
  std::vector<std::string> looked_at;
  std::set<std::string> others;
  for (const auto& [address, object] : objects_of(*findings)) {
    if (predicate.cache && scenario::canonical_cache_name(object->cache) !=
                               scenario::canonical_cache_name(*predicate.cache)) {
      others.insert(object->cache);
      continue;
    }
    const auto value = value_at(object->content, predicate.offset, predicate.size);
    std::string found = value ? fmt::format("{} object {} holds {:#x} at +{:#x}", object->cache,
                                            address, *value, predicate.offset)
                              : fmt::format("{} object {} is not in the core at +{:#x}",
                                            object->cache, address, predicate.offset);
    if (value == predicate.holds) {
      const std::string but = objection(predicate, *object, *findings);
      if (but.empty()) {
        check.holds = true;
        check.found = std::move(found);
        return check;
      }
      found += but;
    }
    looked_at.push_back(std::move(found));
  }
  check.found = looked_at.empty() ? nothing_found(predicate, others) : join_some(looked_at);
  return check;
}

}  // namespace rig::verdict
