// SPDX-License-Identifier: Apache-2.0
#include "analyzer/code/member_path.h"

#include <fmt/format.h>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxVisits = 4000;

class Search {
 public:
  Search(const Btf& types, std::uint64_t size) : types_(types), wanted_(size) {}

  struct Found {
    std::string path;
    std::uint32_t type = 0;
    std::uint64_t within = 0;
    unsigned fit = 0;  // 2: begins there and is as large; 1: begins there
  };

  std::optional<Found> in(std::uint32_t id, std::uint64_t offset, unsigned depth) {
    const auto type = types_.resolved(id);
    if (!type || depth > kMaxStructDepth || ++visits_ > kMaxVisits) return std::nullopt;
    if (type->has_members()) return in_members(*type, offset, depth);
    if (type->kind == TypeKind::kArray) return in_array(*type, offset, depth);
    Found leaf{{}, id, offset, 0};
    if (offset == 0) leaf.fit = wanted_ == 0 || types_.size_of(id) == wanted_ ? 2 : 1;
    return leaf;
  }

 private:
  std::optional<Found> in_members(const TypeInfo& owner, std::uint64_t offset, unsigned depth) {
    std::optional<Found> best;
    for (std::uint32_t i = 0; i < owner.count; ++i) {
      const auto field = types_.field(owner, i);
      if (!field || field->bits / 8 > offset) continue;
      const std::uint64_t within = offset - field->bits / 8;
      const auto size = types_.size_of(field->type);
      const auto type = types_.resolved(field->type);
      // An array without a size ends its struct.
      const bool open = type && type->kind == TypeKind::kArray && size == 0u;
      if (!size || (within >= *size && !open)) continue;
      auto found = in(field->type, within, depth + 1);
      if (!found || (best && best->fit >= found->fit)) continue;
      if (!field->name.empty()) found->path = fmt::format(".{}{}", field->name, found->path);
      best = std::move(found);
    }
    return best;
  }

  std::optional<Found> in_array(const TypeInfo& array, std::uint64_t offset, unsigned depth) {
    const auto info = types_.array(array);
    const auto size = info ? types_.size_of(info->element) : std::nullopt;
    if (!size || *size == 0) return std::nullopt;
    auto found = in(info->element, offset % *size, depth + 1);
    if (found) found->path = fmt::format("[{}]{}", offset / *size, found->path);
    return found;
  }

  const Btf& types_;
  std::uint64_t wanted_;
  unsigned visits_ = 0;
};

}  // namespace

std::optional<MemberPath> member_at(const Btf& types, std::uint32_t owner, std::int64_t offset,
                                    std::uint64_t size) {
  const auto type = types.resolved(owner);
  if (!type || !type->has_members() || offset < 0) return std::nullopt;
  auto found = Search(types, size).in(type->id, static_cast<std::uint64_t>(offset), 0);
  if (!found || found->path.empty()) return std::nullopt;
  const std::string_view name = type->name.empty() ? "(anonymous)" : type->name;
  MemberPath result{fmt::format("{}{}", name, found->path), found->type, found->within};
  if (found->within != 0) result.path += fmt::format("+{:#x}", found->within);
  return result;
}

}  // namespace rig::analyzer
