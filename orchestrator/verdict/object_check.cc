// SPDX-License-Identifier: Apache-2.0
#include "verdict/object_check.h"

#include <map>
#include <set>

#include "base/bytes.h"
#include "scenario/cache_name.h"

namespace rig::verdict {

namespace {

using scenario::ObjectPredicate;

constexpr std::size_t kShown = 4;

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
  return fmt::format("{} object holds {:#x} ({} byte{}) at +{:#x}",
                     predicate.cache ? *predicate.cache : "a slab", predicate.holds, predicate.size,
                     predicate.size == 1 ? "" : "s", predicate.offset);
}

// All objects that pointers lead to, each once, by address; several pointers may lead to one.
std::map<VirtAddr, const analyzer::SlabObject*> objects_of(const analyzer::Findings& findings) {
  std::map<VirtAddr, const analyzer::SlabObject*> objects;
  for (const analyzer::PointerFacts& pointer : findings.pointers) {
    if (pointer.object) objects.emplace(pointer.object->address, &*pointer.object);
  }
  return objects;
}

std::string join_some(const std::vector<std::string>& all) {
  const std::size_t shown = std::min(all.size(), kShown);
  const auto end = all.begin() + static_cast<std::ptrdiff_t>(shown);
  std::string text = fmt::format("{}", fmt::join(all.begin(), end, "; "));
  if (all.size() > shown) text += fmt::format("; and {} more", all.size() - shown);
  return text;
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
      check.holds = true;
      check.found = std::move(found);
      return check;
    }
    looked_at.push_back(std::move(found));
  }
  check.found = looked_at.empty() ? nothing_found(predicate, others) : join_some(looked_at);
  return check;
}

}  // namespace rig::verdict
