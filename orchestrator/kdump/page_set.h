// SPDX-License-Identifier: Apache-2.0
// A set of page numbers, as the bitmaps of kdump files have it: page N is bit N % 8 of byte N / 8.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "analyzer/core/page_bitmap.h"
#include "base/bytes.h"

namespace rig::kdump {

class PageSet {
 public:
  explicit PageSet(std::uint64_t size) : size_(size), bytes_((size + 7) / 8) {}

  std::uint64_t size() const { return size_; }
  ByteView bytes() const { return bytes_; }

  // Pages beyond size() are left alone.
  void insert(std::uint64_t first, std::uint64_t count) { change(first, count, true); }
  void erase(std::uint64_t first, std::uint64_t count) { change(first, count, false); }

  // For looking at it; a later change is not seen.
  analyzer::PageBitmap view() const { return {bytes_, size_}; }

 private:
  void change(std::uint64_t first, std::uint64_t count, bool value) {
    const std::uint64_t begin = std::min(first, size_);
    const std::uint64_t end = begin + std::min(count, size_ - begin);
    for (std::uint64_t page = begin; page < end;) {
      if (page % 8 == 0 && end - page >= 8) {
        bytes_[page / 8] = std::byte{value ? std::uint8_t{0xff} : std::uint8_t{0}};
        page += 8;
        continue;
      }
      const std::byte bit{static_cast<std::uint8_t>(1 << page % 8)};
      bytes_[page / 8] = value ? bytes_[page / 8] | bit : bytes_[page / 8] & ~bit;
      ++page;
    }
  }

  std::uint64_t size_;
  std::vector<std::byte> bytes_;
};

}  // namespace rig::kdump
