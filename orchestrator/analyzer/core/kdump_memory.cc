// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/kdump_memory.h"

#include <algorithm>
#include <bit>

namespace rig::analyzer {
namespace {

constexpr std::uint32_t kCompressionFlags = 0x27;
// Longer reads go past the cache: they would only push out what is asked again and again.
constexpr std::size_t kBulkRead = 256 << 10;
constexpr std::size_t kRangeLimit = 1 << 16;  // machines have tens; more is damage

}  // namespace

KdumpMemory::KdumpMemory(std::shared_ptr<const DumpFile> file, const KdumpLayout& layout)
    : file_(std::move(file)),
      layout_(layout),
      page_shift_(static_cast<unsigned>(std::countr_zero(layout.block_size))),
      cache_(layout.block_size) {
  const std::uint64_t size = layout_.bitmap_size;
  const std::uint64_t second = layout_.bitmap_offset + (layout_.two_bitmaps ? size : 0);
  ram_bytes_ = read_bitmap(layout_.bitmap_offset, size);
  dumped_bytes_ = read_bitmap(second, size);
  ram_ = PageBitmap(ram_bytes_, layout_.page_count);
  dumped_ = PageBitmap(dumped_bytes_, layout_.page_count);
  first_rank_ = dumped_.rank(layout_.first_page);
}

// What a header claims is believed only as far as the file goes, so memory stays in proportion to
// it.
std::vector<std::byte> KdumpMemory::read_bitmap(std::uint64_t offset, std::uint64_t size) {
  size = std::min({size, layout_.page_count / 8 + 1, file_->file_size()});
  auto bytes = file_->read_up_to(offset, size);
  if (bytes.size() != size) bitmaps_complete_ = false;
  return bytes;
}

std::uint64_t KdumpMemory::stored_pages() const {
  return dumped_.rank(layout_.end_page) - first_rank_;
}

std::uint64_t KdumpMemory::stored_pages(std::uint64_t begin, std::uint64_t end) const {
  const auto rank = [&](std::uint64_t at) {
    return dumped_.rank(std::min(at >> page_shift_, dumped_.size()));
  };
  return rank(end) - rank(begin);
}

bool KdumpMemory::same_dump(const KdumpMemory& other) const {
  if (layout_.block_size != other.layout_.block_size || layout_.machine != other.layout_.machine ||
      layout_.page_count != other.layout_.page_count) {
    return false;
  }
  const auto agree = [](const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
    const std::size_t common = std::min(a.size(), b.size());  // one may be cut short
    return common == 0 || std::memcmp(a.data(), b.data(), common) == 0;
  };
  return agree(ram_bytes_, other.ram_bytes_) && agree(dumped_bytes_, other.dumped_bytes_);
}

std::optional<KdumpPageDescriptor> KdumpMemory::descriptor(std::uint64_t index) const {
  return file_->load<KdumpPageDescriptor>(layout_.descriptors_offset +
                                          index * sizeof(KdumpPageDescriptor));
}

tl::expected<KdumpPageDescriptor, Absence> KdumpMemory::find(std::uint64_t page) const {
  if (!dumped_.test(page)) {
    if (page >= dumped_.size() && page < layout_.page_count) {
      return tl::unexpected(Absence::kDamaged);  // the bitmap is cut
    }
    return tl::unexpected(ram_.test(page) ? Absence::kExcluded : Absence::kNotPresent);
  }
  if (page < layout_.first_page || page >= layout_.end_page) {
    return tl::unexpected(Absence::kMissingPart);
  }
  const auto found = descriptor(dumped_.rank(page) - first_rank_);
  if (!found || found->offset == 0 || found->size == 0 || found->size > layout_.block_size) {
    return tl::unexpected(Absence::kDamaged);  // offset 0: makedumpfile ran out of space
  }
  return *found;
}

bool KdumpMemory::unpack(const KdumpPageDescriptor& descriptor, MutableBytes out) const {
  const auto compression = static_cast<Compression>(descriptor.flags & kCompressionFlags);
  packed_.resize(descriptor.size);
  return file_->read(descriptor.offset, packed_) && decompressor_.unpack(compression, packed_, out);
}

tl::expected<void, Absence> KdumpMemory::read_part(std::uint64_t page, std::uint64_t inside,
                                                   MutableBytes out, bool bulk) const {
  if (const ByteView cached = cache_.find(page); !cached.empty()) {
    std::memcpy(out.data(), cached.data() + inside, out.size());
    return {};
  }
  const auto descriptor = find(page);
  if (!descriptor && descriptor.error() == Absence::kExcluded &&
      layout_.dump_level == kKdumpOnlyZeros) {
    std::memset(out.data(), 0, out.size());
    return {};
  }
  if (!descriptor) return tl::unexpected(descriptor.error());
  if ((descriptor->flags & kCompressionFlags) == 0) {
    if (descriptor->size != layout_.block_size || !file_->read(descriptor->offset + inside, out)) {
      return tl::unexpected(Absence::kDamaged);
    }
    return {};
  }
  if (bulk && out.size() == layout_.block_size) {
    if (!unpack(*descriptor, out)) return tl::unexpected(Absence::kDamaged);
    return {};
  }
  const MutableBytes slot = cache_.insert(page);
  if (!unpack(*descriptor, slot)) {
    cache_.forget(page);
    return tl::unexpected(Absence::kDamaged);
  }
  std::memcpy(out.data(), slot.data() + inside, out.size());
  return {};
}

Read<void> KdumpMemory::read(PhysAddr address, MutableBytes out) const {
  const bool bulk = out.size() >= kBulkRead;
  std::uint64_t at = raw(address);
  while (!out.empty()) {
    const std::uint64_t inside = at & (layout_.block_size - 1);
    const std::size_t count = std::min<std::uint64_t>(out.size(), layout_.block_size - inside);
    if (const auto got = read_part(at >> page_shift_, inside, out.first(count), bulk); !got) {
      return tl::unexpected(ReadFault{got.error(), at});
    }
    out = out.subspan(count);
    at += count;
  }
  return {};
}

std::vector<PhysRange> KdumpMemory::runs(const PageBitmap& pages, std::uint64_t begin,
                                         std::uint64_t end) const {
  std::vector<PhysRange> result;
  for (std::uint64_t page = pages.next(begin, true); page < end;) {
    const bool last = result.size() == kRangeLimit;
    const std::uint64_t stop = last ? end : std::min(end, pages.next(page, false));
    result.push_back({PhysAddr{page << page_shift_}, (stop - page) << page_shift_});
    page = pages.next(stop, true);
  }
  return result;
}

std::vector<PhysRange> KdumpMemory::ranges() const {
  return runs(ram_, 0, ram_.size());
}

std::vector<PhysRange> KdumpMemory::stored() const {
  return runs(dumped_, layout_.first_page, std::min(layout_.end_page, dumped_.size()));
}

// Writers append page after page, so the last ones lie at the end; shared zero pages do not.
bool KdumpMemory::data_complete() const {
  constexpr std::uint64_t kLook = 4096;
  const std::uint64_t count = stored_pages();
  for (std::uint64_t back = 1; back <= std::min(count, kLook); ++back) {
    const auto last = descriptor(count - back);
    if (!last) return false;
    if (last->offset > file_->size() || last->size > file_->size() - last->offset) return false;
  }
  return true;
}

Compression KdumpMemory::compression() const {
  constexpr std::uint64_t kLook = 4096;  // zero pages, stored as they are, may come first
  for (std::uint64_t i = 0; i < std::min(stored_pages(), kLook); ++i) {
    const auto page = descriptor(i);
    if (!page) break;
    if ((page->flags & kCompressionFlags) != 0) {
      return static_cast<Compression>(page->flags & kCompressionFlags);
    }
  }
  return Compression::kNone;
}

}  // namespace rig::analyzer
