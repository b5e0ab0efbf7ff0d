// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "analyzer/heap_facts.h"

namespace rig::analyzer {
namespace {

// As scenarios and JSON spell them. One row for each enumerator.
constexpr std::pair<CorruptionKind, std::string_view> kKinds[] = {
    {CorruptionKind::kFreePointerInvalid, "free-pointer-invalid"},
    {CorruptionKind::kFreePointerForeign, "free-pointer-foreign"},
    {CorruptionKind::kFreePointerMisaligned, "free-pointer-misaligned"},
    {CorruptionKind::kFreedTwice, "freed-twice"},
    {CorruptionKind::kFreeAndInUse, "free-and-in-use"},
    {CorruptionKind::kPoisonOverwritten, "poison-overwritten"},
    {CorruptionKind::kRedZoneOverwritten, "red-zone-overwritten"},
    {CorruptionKind::kPaddingOverwritten, "padding-overwritten"},
    {CorruptionKind::kCountsWrong, "counts-wrong"},
    {CorruptionKind::kSlabLost, "slab-lost"},
    {CorruptionKind::kListBroken, "list-broken"},
};

}  // namespace

std::string_view to_string(CorruptionKind kind) {
  const auto row =
      std::ranges::find(kKinds, kind, &std::pair<CorruptionKind, std::string_view>::first);
  return row != std::end(kKinds) ? row->second : "?";
}

std::optional<CorruptionKind> parse_corruption_kind(std::string_view id) {
  const auto row =
      std::ranges::find(kKinds, id, &std::pair<CorruptionKind, std::string_view>::second);
  if (row == std::end(kKinds)) return std::nullopt;
  return row->first;
}

std::vector<std::string> corruption_kinds() {
  std::vector<std::string> ids;
  for (const auto& [kind, id] : kKinds) ids.emplace_back(id);
  return ids;
}

}  // namespace rig::analyzer
