// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/page_facts.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxOrder = 18;  // of a gigabyte in pages of 4 KiB
constexpr unsigned kMaxBuddyOrder = 13;
constexpr unsigned kMaxFlags = 64;
constexpr std::uint64_t kMaxStruct = 256;
constexpr std::uint64_t kMappingBits = 3;  // PAGE_MAPPING_ANON, PAGE_MAPPING_MOVABLE

// Page types as bits until v6.11: cleared ones of page._mapcount (include/linux/page-flags.h).
struct OldType {
  std::uint32_t bit;
  std::string_view words;
};
constexpr OldType kOldTypes[] = {{0x100, "offline: given to the hypervisor or a balloon"},
                                 {0x200, "a page table"},
                                 {0x400, "a guard page of debug_pagealloc"}};
constexpr std::uint32_t kOldBase = 0xf000'0000, kOldBuddy = 0x80;

// By the names of enum pagetype since v6.12.
constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
    {"PGTY_offline", "offline: given to the hypervisor or a balloon"},
    {"PGTY_table", "a page table"},
    {"PGTY_guard", "a guard page of debug_pagealloc"},
    {"PGTY_hugetlb", "of hugetlbfs"},
    {"PGTY_large_kmalloc", "of a large kmalloc()"}};

std::string_view kind_of_type(std::string_view words) {
  return words == "a page table" ? "page-table" : "special";
}

}  // namespace

std::string page_flag_names(const Btf& types, std::uint64_t flags) {
  const auto ids = types.named("pageflags");
  const auto type = ids.empty() ? std::nullopt : types.type(ids.front());
  if (!type || !type->is_enum()) return {};
  const auto count = types.enumerator("pageflags", "__NR_PAGEFLAGS").value_or(kMaxFlags);
  std::string names;
  std::uint64_t named = 0;
  for (std::uint32_t i = 0; i < type->count; ++i) {
    const auto each = types.enumerator(*type, i);
    if (!each || each->value < 0 || each->value >= std::min<std::int64_t>(count, kMaxFlags))
      continue;
    const std::uint64_t bit = std::uint64_t{1} << each->value;
    if ((flags & bit) == 0 || (named & bit) != 0) continue;
    named |= bit;
    std::string_view name = each->name;
    if (name.starts_with("PG_")) name.remove_prefix(3);
    names += (names.empty() ? "" : ",") + std::string(name);
  }
  return names;
}

PageReader::PageReader(const FieldReader& fields, const KernelLayout& layout)
    : fields_(fields), layout_(layout) {
  const Kernel& kernel = fields.kernel();
  const auto size = kernel.types() ? kernel.types()->size_of("page") : std::nullopt;
  size_ = size.value_or(kernel.info().size("page").value_or(0));
  if (size_ > kMaxStruct) size_ = 0;
  if (const auto value = kernel.info().number("PAGE_BUDDY_MAPCOUNT_VALUE")) {
    buddy_ = static_cast<std::uint32_t>(*value);
  }
}

bool PageReader::is_buddy(VirtAddr page) const {
  const auto type = fields_.value(page, "page._mapcount.counter");
  return buddy_ && type && static_cast<std::uint32_t>(*type) == *buddy_;
}

// What a page is whose _mapcount is a type, but for free blocks.
std::optional<std::string> PageReader::type_words(VirtAddr page) const {
  const auto count = fields_.value(page, "page._mapcount.counter");
  if (!count || !buddy_) return std::nullopt;
  const auto type = static_cast<std::uint32_t>(*count);
  if (type == *buddy_) return std::nullopt;
  if (*buddy_ == ~kOldBuddy) {
    for (const OldType& each : kOldTypes) {
      if ((type & (kOldBase | each.bit)) == kOldBase) return std::string(each.words);
    }
    return std::nullopt;
  }
  const auto& types = fields_.kernel().types();
  for (const auto& [name, words] : kTypes) {
    const auto value = types ? types->enumerator("pagetype", name) : std::nullopt;
    if (value && static_cast<std::uint32_t>(*value) == type >> 24) return std::string(words);
  }
  return std::nullopt;
}

// Only the first page of a free block says that it is one, and of which order.
std::optional<std::string> PageReader::free_words(std::uint64_t number) const {
  for (unsigned order = 0; order <= kMaxBuddyOrder; ++order) {
    const std::uint64_t first = number >> order << order;
    const VirtAddr page = struct_at(first);
    if (!is_buddy(page)) continue;
    const auto own = fields_.value(page, "page.private").value_or(~0ull);
    if (own > kMaxBuddyOrder || own < order) continue;
    return fmt::format("free, in a block of order {} that begins at physical {:#x}", own,
                       first * layout_.page_size);
  }
  return std::nullopt;
}

// `head`: set to the first page of the compound page.
std::string PageReader::compound_words(VirtAddr page, VirtAddr& head) const {
  head = page;
  const auto link = fields_.value(page, "page.compound_head");
  if (!link) return {};
  if ((*link & 1) != 0) {
    const VirtAddr first{*link - 1};
    if (first >= page || page - first > size_ << kMaxOrder || (page - first) % size_ != 0)
      return {};
    head = first;
  }
  const auto& types = fields_.kernel().types();
  const auto flag = types ? types->enumerator("pageflags", "PG_head") : std::nullopt;
  const auto flags = fields_.value(head, "page.flags");
  if (!flag || *flag < 0 || *flag >= 64 || !flags || (*flags >> *flag & 1) == 0) return {};
  const VirtAddr second = head + size_;
  // In the second struct page; since ebc1baf5c9b4 (v6.6) in the low byte of folio._flags_1.
  auto order = fields_.value(second, "page.compound_order");
  if (!order) order = fields_.value(head, "folio._folio_order");
  if (!order) {
    order = fields_.value(head, "folio._flags_1");
    if (order) order = *order & 0xff;
  }
  return fmt::format("page {} of a compound page of order {}", (page - head) / size_,
                     order ? std::to_string(*order) : "?");
}

// address_space: the inode's, and the inode by a name that it has.
std::string PageReader::file_words(VirtAddr mapping) const {
  const auto inode = fields_.pointer(mapping, "address_space.host");
  if (!inode) return "of a mapping without an inode";
  const auto number = fields_.value(*inode, "inode.i_ino");
  if (!number) return "of a mapping whose inode cannot be read";
  std::string name;
  const auto alias = fields_.value(*inode, "inode.i_dentry.first");
  const auto link = fields_.member("dentry.d_u.d_alias");
  if (alias && *alias != 0 && link) {
    name = fields_.string(VirtAddr{*alias} - link->offset, "dentry.d_name.name", 256);
  }
  const auto super = fields_.pointer(*inode, "inode.i_sb");
  const std::string device = super ? fields_.text(*super, "super_block.s_id") : "";
  return fmt::format("inode {}{}{}", *number, device.empty() ? "" : " of " + device,
                     name.empty() ? "" : fmt::format(" ('{}')", name));
}

void PageReader::describe_mapping(VirtAddr head, PageFacts& facts) const {
  const auto mapping = fields_.value(head, "page.mapping");
  facts.mapping = mapping;
  facts.index = fields_.value(head, "page.index");
  if (!mapping || *mapping == 0) {
    facts.kind = "kernel";
    facts.words = facts.references == 0
                      ? "of nobody: on a CPU's list of free pages, or being handed over"
                      : "allocated, for the kernel itself or for user memory that left its mapping";
    return;
  }
  const std::string at = facts.index ? fmt::format(", page {:#x}", *facts.index) : "";
  switch (*mapping & kMappingBits) {
    case 1:
      facts.kind = "anonymous";
      facts.words = fmt::format("anonymous memory of a process{} of its anon_vma {:#x}", at,
                                *mapping & ~kMappingBits);
      return;
    case 2:
      facts.kind = "movable";
      facts.words = "movable, of a driver";
      return;
    case 3:
      facts.kind = "anonymous";
      facts.words = "anonymous memory that KSM shares";
      return;
    default:
      facts.kind = "file";
      facts.words = fmt::format("page cache: {}{}", file_words(VirtAddr{*mapping}), at);
  }
}

std::optional<PageFacts> PageReader::read(PhysAddr address) const {
  if (!layout_.page_array || size_ == 0 || layout_.page_size == 0) return std::nullopt;
  const std::uint64_t number = raw(address) / layout_.page_size;
  PageFacts facts;
  facts.at = struct_at(number);
  const auto flags = fields_.value(facts.at, "page.flags");
  const auto& types = fields_.kernel().types();
  if (!flags || !types) return std::nullopt;
  facts.flags = page_flag_names(*types, *flags);
  facts.references = fields_.number(facts.at, "page._refcount.counter");
  VirtAddr head{};
  facts.compound = compound_words(facts.at, head);
  if (head != facts.at) facts.references = fields_.number(head, "page._refcount.counter");
  const auto has = [&](std::string_view flag) {
    const auto bit = types->enumerator("pageflags", flag);
    const auto its = fields_.value(head, "page.flags");
    return bit && *bit >= 0 && *bit < 64 && its && (*its >> *bit & 1) != 0;
  };
  if (auto words = facts.compound.empty() ? free_words(number) : std::nullopt) {
    facts.kind = "free";
    facts.words = *std::move(words);
  } else if (has("PG_slab")) {
    facts.kind = "slab";
    facts.words = "of a slab";
  } else if (auto type = type_words(facts.at)) {
    facts.kind = kind_of_type(*type);
    facts.words = *std::move(type);
  } else if (has("PG_reserved")) {
    facts.kind = "reserved";
    facts.words = "reserved: the kernel's image, firmware's, or no usable memory";
  } else {
    const auto maps = fields_.number(facts.at, "page._mapcount.counter");
    if (maps) facts.mappings = *maps + 1;
    describe_mapping(head, facts);
  }
  return facts;
}

std::optional<PageReader::Place> PageReader::page_of_struct(VirtAddr address) const {
  if (!layout_.page_array || size_ == 0 || address < *layout_.page_array) return std::nullopt;
  const std::uint64_t distance = address - *layout_.page_array;
  return Place{PhysAddr{distance / size_ * layout_.page_size}, distance % size_};
}

}  // namespace rig::analyzer
