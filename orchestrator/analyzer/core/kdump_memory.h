// SPDX-License-Identifier: Apache-2.0
// The pages of a kdump-compressed core.
#pragma once

#include <memory>
#include <vector>

#include "analyzer/core/decompress.h"
#include "analyzer/core/dump_memory.h"
#include "analyzer/core/kdump.h"
#include "analyzer/core/page_bitmap.h"
#include "analyzer/core/page_cache.h"

namespace rig::analyzer {

class KdumpMemory final : public DumpMemory {
 public:
  KdumpMemory(std::shared_ptr<const DumpFile> file, const KdumpLayout& layout);

  Read<void> read(PhysAddr address, MutableBytes out) const override;
  std::vector<PhysRange> ranges() const override;
  std::vector<PhysRange> stored() const override;

  std::uint64_t ram_pages() const { return ram_.count(); }
  std::uint64_t dumped_pages() const { return dumped_.count(); }
  std::uint64_t stored_pages() const;  // of these, in this part of a split dump
  // Those that the dump has in this range of addresses, in whatever part.
  std::uint64_t stored_pages(std::uint64_t begin, std::uint64_t end) const;
  PhysAddr end() const { return PhysAddr{layout_.page_count << page_shift_}; }
  // Of a split dump: what this part has. The same dump has the same pages, as far as they are
  // known.
  PhysAddr part_begin() const { return PhysAddr{layout_.first_page << page_shift_}; }
  PhysAddr part_end() const { return PhysAddr{layout_.end_page << page_shift_}; }
  bool same_dump(const KdumpMemory& other) const;
  bool bitmaps_complete() const { return bitmaps_complete_; }

  // False when the page data goes on beyond the end of the file.
  bool data_complete() const;

  // The compression of the first page that has one: the header's flags are not always set.
  Compression compression() const;

 private:
  std::vector<std::byte> read_bitmap(std::uint64_t offset, std::uint64_t size);
  std::optional<KdumpPageDescriptor> descriptor(std::uint64_t index) const;
  std::vector<PhysRange> runs(const PageBitmap& pages, std::uint64_t begin,
                              std::uint64_t end) const;
  tl::expected<KdumpPageDescriptor, Absence> find(std::uint64_t page) const;
  tl::expected<void, Absence> read_part(std::uint64_t page, std::uint64_t inside, MutableBytes out,
                                        bool bulk) const;
  bool unpack(const KdumpPageDescriptor& descriptor, MutableBytes out) const;

  std::shared_ptr<const DumpFile> file_;
  KdumpLayout layout_;
  unsigned page_shift_;
  bool bitmaps_complete_ = true;
  std::vector<std::byte> ram_bytes_, dumped_bytes_;
  PageBitmap ram_;                         // bitmap 1: the guest had this page
  PageBitmap dumped_;                      // bitmap 2: and the dump has it
  std::uint64_t first_rank_ = 0;           // of the part's first page
  mutable std::vector<std::byte> packed_;  // the page that is being unpacked
  mutable PageCache cache_;
  mutable Decompressor decompressor_;
};

}  // namespace rig::analyzer
