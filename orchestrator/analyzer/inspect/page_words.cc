// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/page_words.h"

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxFlags = 64;

// The names of the bits of page.flags, from `enum pageflags`: of two names for one bit the first,
// which is the general one. Above __NR_PAGEFLAGS lie zone, node and section.
std::string names_of(const Btf& types, std::uint64_t flags) {
  std::string names;
  for (const std::uint32_t id : types.named("pageflags")) {
    const auto type = types.type(id);
    if (!type || !type->is_enum()) continue;
    const auto count = types.enumerator("pageflags", "__NR_PAGEFLAGS").value_or(kMaxFlags);
    std::uint64_t named = 0;
    for (std::uint32_t i = 0; i < type->count; ++i) {
      const auto each = types.enumerator(*type, i);
      if (!each || each->value < 0 || each->value >= std::min<std::int64_t>(count, kMaxFlags)) {
        continue;
      }
      const std::uint64_t bit = std::uint64_t{1} << each->value;
      if ((flags & bit) == 0 || (named & bit) != 0) continue;
      named |= bit;
      std::string_view name = each->name;
      if (name.starts_with("PG_")) name.remove_prefix(3);
      names += (names.empty() ? "" : ",") + std::string(name);
    }
    return names;
  }
  return names;
}

std::optional<std::int64_t> signed_field(const Kernel& kernel, VirtAddr page,
                                         std::string_view path) {
  const auto value = kernel.field(page, path);
  return value ? std::optional<std::int64_t>(static_cast<std::int32_t>(*value)) : std::nullopt;
}

}  // namespace

std::optional<PageWords> read_page_words(const Kernel& kernel, const KernelLayout& layout,
                                         PhysAddr address) {
  const auto size = kernel.types() ? kernel.types()->size_of("page") : std::nullopt;
  if (!layout.page_array || !size || *size == 0 || layout.page_size == 0) return std::nullopt;
  PageWords page;
  page.at = *layout.page_array + raw(address) / layout.page_size * *size;
  page.flags = kernel.field(page.at, "page.flags");
  if (!page.flags) return std::nullopt;
  page.mapping = kernel.field(page.at, "page.mapping");
  page.index = kernel.field(page.at, "page.index");
  page.references = signed_field(kernel, page.at, "page._refcount.counter");
  // The kernel counts mappings from -1 on.
  page.maps = signed_field(kernel, page.at, "page._mapcount.counter");
  if (page.maps) page.maps = *page.maps + 1;
  page.flag_names = names_of(*kernel.types(), *page.flags);
  return page;
}

}  // namespace rig::analyzer
