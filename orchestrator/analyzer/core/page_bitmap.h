// SPDX-License-Identifier: Apache-2.0
// A bitmap over page numbers with constant-time rank: how many pages before this one are set.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace rig::analyzer {

class PageBitmap {
 public:
  PageBitmap() = default;
  // Bit N of the bitmap is bit N % 8 of byte N / 8. The bytes are kept by view, not copied; only
  // `limit` bits count, and no more than there are.
  PageBitmap(ByteView bytes, std::uint64_t limit);

  std::uint64_t size() const { return size_; }
  bool test(std::uint64_t page) const {
    return page < size_ && (std::to_integer<unsigned>(bytes_[page / 8]) >> (page % 8) & 1) != 0;
  }
  // The number of set bits below `page` (<= size()).
  std::uint64_t rank(std::uint64_t page) const;
  std::uint64_t count() const { return rank(size_); }

  // The first page at or after `page` whose bit is `value`, or size().
  std::uint64_t next(std::uint64_t page, bool value) const;

 private:
  static constexpr std::uint64_t kBlockBits = 512;

  std::uint64_t word(std::uint64_t index) const;  // 64 bits; beyond the end they are zero

  ByteView bytes_;
  std::uint64_t size_ = 0;
  std::vector<std::uint64_t> ranks_;  // of the first bit of every block
};

}  // namespace rig::analyzer
