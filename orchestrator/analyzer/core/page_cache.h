// SPDX-License-Identifier: Apache-2.0
// Decompressed pages, a bounded number of them. Eight-way associative with a clock per set: a hit
// compares one cache line of tags, nothing is allocated after the first page, and memory that was
// never needed is never touched.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"

namespace rig::analyzer {

class PageCache {
 public:
  static constexpr std::size_t kBytes = 16 << 20;

  explicit PageCache(std::size_t page_size)
      : page_size_(page_size), sets_count_(std::max<std::size_t>(1, kBytes / page_size / kWays)) {}

  // The page's bytes, or empty.
  ByteView find(std::uint64_t page);
  // Room for the page, which the caller fills; the page that was there is gone. Call forget() when
  // filling fails.
  MutableBytes insert(std::uint64_t page);
  void forget(std::uint64_t page);

 private:
  static constexpr std::size_t kWays = 8;
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};

  struct Set {
    std::array<std::uint64_t, kWays> pages;
    std::array<bool, kWays> recent{};
    std::uint8_t hand = 0;
    Set() { pages.fill(kEmpty); }
  };

  std::size_t set_of(std::uint64_t page) const { return page & (sets_count_ - 1); }
  MutableBytes slot(std::size_t set, std::size_t way) {
    return {bytes_.get() + (set * kWays + way) * page_size_, page_size_};
  }

  std::size_t page_size_;
  std::size_t sets_count_;  // a power of two, as page sizes are
  std::vector<Set> sets_;
  std::unique_ptr<std::byte[]> bytes_;
};

}  // namespace rig::analyzer
