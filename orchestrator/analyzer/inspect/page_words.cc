// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/page_words.h"

#include "analyzer/facts/page_facts.h"

namespace rig::analyzer {
namespace {

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
  page.flag_names = page_flag_names(*kernel.types(), *page.flags);
  return page;
}

}  // namespace rig::analyzer
