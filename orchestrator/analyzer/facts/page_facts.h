// SPDX-License-Identifier: Apache-2.0
// One page of the guest and what it is used for, from its struct page.
// Format: include/linux/mm_types.h, page-flags.h, mm/page_alloc.c.
#pragma once

#include <string>
#include <vector>

#include "analyzer/arch/architecture.h"
#include "analyzer/facts/field_reader.h"

namespace rig::analyzer {

struct PageFacts {
  VirtAddr at{};      // of its struct page
  std::string kind;   // "free", "slab", "page-table", "reserved", "anonymous", "file", "kernel"
  std::string words;  // "free, in a block of order 3 that begins at page 0x1234"
  std::string flags;  // "uptodate,lru"
  std::optional<std::int64_t> references, mappings;
  std::optional<std::uint64_t> mapping, index;
  std::string compound;  // "page 2 of a compound page of order 3 that begins at …"
};

class PageReader {
 public:
  // `fields` must outlive it.
  PageReader(const FieldReader& fields, const KernelLayout& layout);

  // Nothing when the page array is not known, or has no such page in the core.
  std::optional<PageFacts> read(PhysAddr address) const;
  // The page whose struct page `address` lies in, and where in it.
  struct Place {
    PhysAddr page{};
    std::uint64_t offset = 0;
  };
  std::optional<Place> page_of_struct(VirtAddr address) const;

 private:
  VirtAddr struct_at(std::uint64_t number) const { return *layout_.page_array + number * size_; }
  std::optional<std::string> type_words(VirtAddr page) const;
  bool is_buddy(VirtAddr page) const;
  std::optional<std::string> free_words(std::uint64_t number) const;
  std::string compound_words(VirtAddr page, VirtAddr& head) const;
  void describe_mapping(VirtAddr head, PageFacts& facts) const;
  std::string file_words(VirtAddr mapping) const;

  const FieldReader& fields_;
  KernelLayout layout_;
  std::uint64_t size_ = 0;              // of struct page
  std::optional<std::uint32_t> buddy_;  // page._mapcount of a free block
};

// The names of the bits of page.flags, from `enum pageflags`: "uptodate,lru".
std::string page_flag_names(const Btf& types, std::uint64_t flags);

}  // namespace rig::analyzer
