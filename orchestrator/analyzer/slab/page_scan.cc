// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/page_scan.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kPiece = 4096;           // present or missing as a whole
constexpr std::uint64_t kChunk = 256 << 10;      // bytes of the array that are read at once
constexpr std::uint64_t kMaxPages = 1ull << 34;  // 64 TB in pages of 4 KB
constexpr std::size_t kMaxSlabs = 1 << 27;

// The word that tells a slab, read without decoding the rest of the struct.
class Mark {
 public:
  explicit Mark(const SlabLayout& layout) {
    if (layout.slab_bit) {
      offset_ = layout.flags->offset;
      mask_ = wanted_ = 1ull << *layout.slab_bit;
    } else {
      offset_ = layout.mapcount ? layout.mapcount->offset : 0;
      mask_ = 0xffff'ffff;
      wanted_ = *layout.slab_page_type;
    }
  }
  bool is_on(ByteView page) const {
    const auto word = load<std::uint64_t>(page, offset_);
    return word && (*word & mask_) == wanted_;
  }

 private:
  std::uint64_t offset_ = 0, mask_ = 0, wanted_ = 0;
};

// Where a slab's page names its cache. Giving it back clears the word (__free_slab() in mm/slub.c
// sets page.mapping, which lies there), so that no other page has a cache's address in it.
class OwnerWord {
 public:
  OwnerWord(const Kernel& kernel, const SlabLayout& layout, std::span<const std::uint64_t> caches)
      : offset_(layout.slab_cache->offset) {
    const auto mapping = kernel.member("page.mapping");
    if (mapping && mapping->offset == offset_) caches_ = caches;
  }
  bool names_cache(ByteView page) const {
    if (caches_.empty()) return false;
    const auto word = load<std::uint64_t>(page, offset_);
    if (!word || *word < caches_.front() || *word > caches_.back()) return false;
    return std::ranges::binary_search(caches_, *word);
  }

 private:
  std::uint64_t offset_;
  std::span<const std::uint64_t> caches_;
};

// Fills `bytes` as read_with_holes() does. Returns the bytes that should be in the core: where
// nothing is mapped the kernel has no such pages (firmware, devices).
std::uint64_t read_structs(const VirtMemory& memory, VirtAddr at, MutableBytes bytes) {
  if (memory.read(at, bytes)) return 0;
  std::uint64_t missing = 0;
  for (std::uint64_t done = 0; done < bytes.size();) {
    const auto part = std::min(bytes.size() - done, kPiece - raw(at + done) % kPiece);
    const auto piece = bytes.subspan(done, part);
    if (const auto got = memory.read(at + done, piece); !got) {
      std::ranges::fill(piece, std::byte{0});
      if (got.error().why != Absence::kUnmapped) missing += part;
    }
    done += part;
  }
  return missing;
}

}  // namespace

PageScan scan_pages(const Kernel& kernel, const SlabLayout& layout,
                    std::span<const PhysRange> ranges, std::span<const std::uint64_t> caches) {
  PageScan scan;
  if (!layout.missing.empty()) return scan;
  const Mark mark(layout);
  const OwnerWord owner(kernel, layout, caches);
  const auto page_size = layout.memory.page_size, size = layout.page_struct_size;
  const std::uint64_t most = kChunk / size;
  std::vector<std::byte> bytes;
  for (const PhysRange& range : ranges) {
    std::uint64_t page = raw(range.begin) / page_size;
    const std::uint64_t end = (raw(range.begin) + range.size) / page_size;
    while (page < end && scan.pages < kMaxPages && scan.slabs.size() < kMaxSlabs) {
      const auto count = std::min(most, end - page);
      bytes.resize(count * size);
      const VirtAddr at = *layout.memory.page_array + page * size;
      scan.missing += read_structs(kernel.memory(), at, bytes);
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto each = ByteView(bytes).subspan(i * size, size);
        const bool slab = mark.is_on(each);
        if ((!slab && !owner.names_cache(each)) || layout.is_tail(each)) continue;
        (slab ? scan.slabs : scan.lost).push_back(layout.decode(at + i * size, each));
      }
      scan.pages += count;
      page += count;
    }
  }
  return scan;
}

}  // namespace rig::analyzer
