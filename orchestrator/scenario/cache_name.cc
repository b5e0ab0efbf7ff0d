// SPDX-License-Identifier: Apache-2.0
#include "scenario/cache_name.h"

#include <fmt/format.h>

#include "scenario/units.h"

namespace rig::scenario {

namespace {

bool is_kmalloc(std::string_view cache) {
  return cache.starts_with("kmalloc-") || cache.starts_with("dma-kmalloc-");
}

}  // namespace

std::optional<std::uint64_t> kmalloc_object_size(std::string_view cache) {
  if (!is_kmalloc(cache)) return std::nullopt;
  std::string size(cache.substr(cache.rfind('-') + 1));
  if (!size.empty() && (size.back() == 'k' || size.back() == 'M')) {
    size.back() = size.back() == 'k' ? 'K' : 'M';
  }
  return parse_bytes(size);
}

std::string canonical_cache_name(std::string_view cache) {
  const auto size = kmalloc_object_size(cache);
  if (!size || *size < 1024 || *size % 1024 != 0) return std::string(cache);
  const std::string_view stem = cache.substr(0, cache.rfind('-') + 1);
  if (*size % (1 << 20) == 0) return fmt::format("{}{}M", stem, *size >> 20);
  return fmt::format("{}{}k", stem, *size >> 10);
}

}  // namespace rig::scenario
