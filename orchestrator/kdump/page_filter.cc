// SPDX-License-Identifier: Apache-2.0
#include "kdump/page_filter.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "kdump/page_array.h"

namespace rig::kdump {
namespace {

constexpr std::uint64_t kMappingAnon = 1;    // PAGE_MAPPING_ANON, of page.mapping
constexpr unsigned kMaxOrder = 18;           // of a gigabyte in pages of 4 KiB
constexpr std::uint64_t kBatch = 256 << 10;  // bytes of the array read at a time
constexpr std::uint32_t kNeedsPages = kNoCache | kNoPrivateCache | kNoUserData | kNoFree;

// What VMCOREINFO says of struct page. Absent: this kernel does not have it, or does not tell.
struct PageFields {
  using Field = std::optional<std::uint64_t>;
  Field flags, mapping, map_count, private_, compound_dtor, compound_order;  // offsets
  std::uint64_t lru = 0, privates = 0, swap_cache = 0, swap_backed = 0, slab = 0, head = 0;  // bits
  std::optional<std::uint32_t> buddy, slab_type;  // values of _mapcount
  std::optional<std::uint64_t> hugetlb;           // of compound_dtor
};

Result<PageFields> fields_of(const analyzer::Vmcoreinfo& info) {
  PageFields fields;
  const auto bit = [&](std::string_view name) -> std::uint64_t {
    const auto number = info.number(name);
    return number && *number >= 0 && *number < 64 ? std::uint64_t{1} << *number : 0;
  };
  const auto type = [&](std::string_view name) -> std::optional<std::uint32_t> {
    const auto number = info.number(name);
    return number ? std::optional(static_cast<std::uint32_t>(*number)) : std::nullopt;
  };
  fields.flags = info.offset("page.flags");
  fields.mapping = info.offset("page.mapping");
  fields.map_count = info.offset("page._mapcount");
  fields.private_ = info.offset("page.private");
  fields.compound_dtor = info.offset("page.compound_dtor");
  fields.compound_order = info.offset("page.compound_order");
  fields.lru = bit("PG_lru");
  fields.privates = bit("PG_private");
  fields.swap_cache = bit("PG_swapcache");
  fields.swap_backed = bit("PG_swapbacked");
  fields.slab = bit("PG_slab");
  fields.head = static_cast<std::uint64_t>(info.number("PG_head_mask").value_or(0));
  fields.buddy = type("PAGE_BUDDY_MAPCOUNT_VALUE");
  // Slabs have a type instead of a flag since 46df8e73a4a3 (v6.10).
  fields.slab_type = type("PAGE_SLAB_MAPCOUNT_VALUE");
  fields.hugetlb = info.number("HUGETLB_PAGE_DTOR");
  if (fields.flags && fields.mapping && fields.map_count && fields.lru != 0) return fields;
  return fail_hint(Blame::kRig, "a dump level of 0 or 1 needs none of that",
                   "VMCOREINFO does not say how to tell the kernel's pages apart");
}

// One struct page and the one behind it, which has a compound page's order.
class PageView {
 public:
  PageView(const PageFields& fields, ByteView bytes, std::uint64_t size)
      : fields_(fields), bytes_(bytes), size_(size) {}

  bool is_free() const { return fields_.buddy && !is_slab() && map_count() == fields_.buddy; }
  bool is_anonymous() const { return (value(fields_.mapping) & kMappingAnon) != 0 && !is_slab(); }
  bool is_private() const { return has(fields_.privates); }
  bool is_cache() const {
    return has(fields_.lru) || (has(fields_.swap_cache) && has(fields_.swap_backed));
  }
  bool is_huge() const {
    return is_head() && fields_.hugetlb && fields_.compound_dtor &&
           load<std::uint8_t>(bytes_, size_ + *fields_.compound_dtor) == *fields_.hugetlb;
  }

  // How many pages it speaks for.
  std::uint64_t count() const {
    std::uint64_t order = 0;
    if (is_free()) {
      order = value(fields_.private_);
    } else if (is_head() && fields_.compound_order) {
      order = load<std::uint8_t>(bytes_, size_ + *fields_.compound_order).value_or(0);
    }
    return order <= kMaxOrder ? std::uint64_t{1} << order : 1;
  }

 private:
  std::uint64_t value(const PageFields::Field& field) const {
    return field ? load<std::uint64_t>(bytes_, *field).value_or(0) : 0;
  }
  std::optional<std::uint32_t> map_count() const {
    return load<std::uint32_t>(bytes_, *fields_.map_count);
  }
  bool has(std::uint64_t bit) const { return (value(fields_.flags) & bit) != 0; }
  bool is_head() const { return has(fields_.head); }
  bool is_slab() const {
    return has(fields_.slab) || (fields_.slab_type && map_count() == fields_.slab_type);
  }

  const PageFields& fields_;
  ByteView bytes_;
  std::uint64_t size_;
};

// makedumpfile's order. Cache that is anonymous is a user's data.
struct Exclusion {
  std::uint32_t level;
  bool (*excludes)(const PageView&);
};
constexpr Exclusion kExclusions[] = {
    {kNoFree, [](const PageView& page) { return page.is_free(); }},
    {kNoCache,
     [](const PageView& page) {
       return page.is_cache() && !page.is_private() && !page.is_anonymous();
     }},
    {kNoPrivateCache, [](const PageView& page) { return page.is_cache() && !page.is_anonymous(); }},
    {kNoUserData, [](const PageView& page) { return page.is_anonymous() || page.is_huge(); }},
};

bool excluded(const PageView& page, std::uint32_t level) {
  return std::any_of(std::begin(kExclusions), std::end(kExclusions), [&](const Exclusion& each) {
    return (level & each.level) != 0 && each.excludes(page);
  });
}

// Goes through the array, as much of it at a time as is worth a request to the guest.
class Filter {
 public:
  Filter(const PageArray& array, const PageFields& fields, const analyzer::VirtMemory& memory,
         std::uint32_t level, PageSet& pages)
      : array_(array), fields_(fields), memory_(memory), level_(level), pages_(pages) {}

  void look_at(std::uint64_t page, std::uint64_t end) {
    while (page < end) {
      const std::uint64_t stop = std::min(end, array_.section_end(page));
      const auto structs = array_.at(page);
      page = structs ? look_at_some(*structs, page, stop) : stop;
    }
  }

 private:
  // Returns the first page that is not decided yet.
  std::uint64_t look_at_some(VirtAddr structs, std::uint64_t first, std::uint64_t end) {
    const std::uint64_t size = array_.struct_size();
    const std::uint64_t count = std::min(end - first, kBatch / size);
    // One more: the last one's neighbour may tell of it.
    const std::vector<std::byte> bytes = memory_.read_up_to(structs, (count + 1) * size);
    const std::uint64_t there = std::min(count, bytes.size() / size);
    if (there == 0) return first + 1;
    std::uint64_t page = first;
    while (page < first + there) {
      const PageView view(fields_, ByteView(bytes).subspan((page - first) * size), size);
      const std::uint64_t together = view.count();
      if (excluded(view, level_)) {
        pages_.erase(page, together);
        page += together;
      } else {
        ++page;
      }
    }
    return page;
  }

  const PageArray& array_;
  const PageFields& fields_;
  const analyzer::VirtMemory& memory_;
  std::uint32_t level_;
  PageSet& pages_;
};

}  // namespace

PageSet all_pages(const VmcoreLayout& layout) {
  const MemoryPiece& last = layout.memory.back();
  PageSet pages((raw(last.begin) + last.size) / layout.page_size);
  for (const MemoryPiece& piece : layout.memory) {
    pages.insert(raw(piece.begin) / layout.page_size, piece.size / layout.page_size);
  }
  return pages;
}

Status exclude_pages(const VmcoreLayout& layout, const analyzer::VirtMemory& memory,
                     std::uint32_t level, PageSet& pages) {
  if ((level & kNeedsPages) == 0) return {};
  RIG_ASSIGN(const PageFields fields, fields_of(layout.info));
  RIG_ASSIGN(const PageArray array, PageArray::open(layout.info, memory, layout.page_size));
  Filter filter(array, fields, memory, level, pages);
  for (const MemoryPiece& piece : layout.memory) {
    const std::uint64_t first = raw(piece.begin) / layout.page_size;
    filter.look_at(first, first + piece.size / layout.page_size);
  }
  return {};
}

}  // namespace rig::kdump
