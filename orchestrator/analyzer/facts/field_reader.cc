// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/field_reader.h"

#include <array>

namespace rig::analyzer {

std::optional<Member> FieldReader::member(std::string_view path) const {
  if (const auto known = members_.find(path); known != members_.end()) return known->second;
  return members_.emplace(std::string(path), kernel_->member(path)).first->second;
}

std::optional<VirtAddr> FieldReader::place(VirtAddr object, std::string_view path) const {
  const auto found = member(path);
  if (!found || raw(object) == 0) return std::nullopt;
  return object + found->offset;
}

std::optional<std::uint64_t> FieldReader::value(VirtAddr object, std::string_view path) const {
  auto found = member(path);
  if (!found || raw(object) == 0) return std::nullopt;
  if (found->size == 0 || found->size > sizeof(std::uint64_t)) return std::nullopt;
  std::array<std::byte, sizeof(std::uint64_t)> bytes{};
  const auto part = MutableBytes(bytes).first(found->size);
  if (!kernel_->memory().read(object + found->offset, part)) return std::nullopt;
  found->offset = 0;
  return extract(*found, part);
}

std::optional<std::int64_t> FieldReader::number(VirtAddr object, std::string_view path) const {
  const auto bits = value(object, path);
  if (!bits) return std::nullopt;
  const auto found = member(path);
  const std::uint64_t width = found->bit_size != 0 ? found->bit_size : found->size * 8;
  if (width >= 64) return static_cast<std::int64_t>(*bits);
  const std::uint64_t sign = 1ull << (width - 1);
  return static_cast<std::int64_t>((*bits ^ sign) - sign);
}

std::optional<VirtAddr> FieldReader::pointer(VirtAddr object, std::string_view path) const {
  const auto found = value(object, path);
  if (!found || *found == 0) return std::nullopt;
  return VirtAddr{*found};
}

std::string FieldReader::text(VirtAddr object, std::string_view path) const {
  const auto found = member(path);
  if (!found || raw(object) == 0) return {};
  constexpr std::uint64_t kMaxArray = 4096;
  return kernel_->memory().c_string(object + found->offset, std::min(found->size, kMaxArray));
}

std::string FieldReader::string(VirtAddr object, std::string_view path, std::uint64_t limit) const {
  const auto at = pointer(object, path);
  return at ? kernel_->memory().c_string(*at, limit) : std::string();
}

}  // namespace rig::analyzer
