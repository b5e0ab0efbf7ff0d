// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/page_bitmap.h"

#include <algorithm>
#include <bit>

namespace rig::analyzer {

PageBitmap::PageBitmap(ByteView bytes, std::uint64_t limit)
    : bytes_(bytes), size_(std::min<std::uint64_t>(limit, std::uint64_t{8} * bytes.size())) {
  ranks_.reserve(size_ / kBlockBits + 1);
  std::uint64_t sum = 0;
  for (std::uint64_t bit = 0; bit < size_; bit += 64) {
    if (bit % kBlockBits == 0) ranks_.push_back(sum);
    sum += static_cast<std::uint64_t>(std::popcount(word(bit / 64)));
  }
  if (size_ % kBlockBits == 0) ranks_.push_back(sum);
}

std::uint64_t PageBitmap::word(std::uint64_t index) const {
  const std::uint64_t byte = index * 8;
  std::uint64_t bits = 0;
  std::memcpy(&bits, bytes_.data() + byte, std::min<std::uint64_t>(8, bytes_.size() - byte));
  const std::uint64_t valid = size_ - index * 64;
  return valid >= 64 ? bits : bits & ((std::uint64_t{1} << valid) - 1);
}

std::uint64_t PageBitmap::rank(std::uint64_t page) const {
  page = std::min(page, size_);
  if (ranks_.empty()) return 0;
  const std::uint64_t block = page / kBlockBits;
  std::uint64_t sum = ranks_[block];
  for (std::uint64_t index = block * (kBlockBits / 64); index < page / 64; ++index) {
    sum += static_cast<std::uint64_t>(std::popcount(word(index)));
  }
  if (page % 64 != 0) {
    const std::uint64_t below = (std::uint64_t{1} << (page % 64)) - 1;
    sum += static_cast<std::uint64_t>(std::popcount(word(page / 64) & below));
  }
  return sum;
}

std::uint64_t PageBitmap::next(std::uint64_t page, bool value) const {
  while (page < size_) {
    std::uint64_t bits = word(page / 64);
    if (!value) bits = ~bits;
    bits &= ~std::uint64_t{0} << (page % 64);
    if (bits != 0) {
      const std::uint64_t at = align_down(page, 64);
      return std::min(size_, at + static_cast<std::uint64_t>(std::countr_zero(bits)));
    }
    page = align_down(page, 64) + 64;
  }
  return size_;
}

}  // namespace rig::analyzer
