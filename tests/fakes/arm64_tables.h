// SPDX-License-Identifier: Apache-2.0
// arm64 translation tables written entry by entry, as the kernel does.
#pragma once

#include "analyzer/arch/arm64_paging.h"
#include "fakes/fake_memory.h"

namespace rig::analyzer::fake {

class Arm64Tables {
 public:
  static constexpr std::uint64_t kRoot = 0x1000'0000;

  explicit Arm64Tables(const Arm64Geometry& geometry) : geometry_(geometry) {}

  // Maps the page (leaf_level 1) or block at `address` to `physical`.
  void map(std::uint64_t address, std::uint64_t physical, unsigned leaf_level = 1) {
    if (!started_) clear(kRoot);
    started_ = true;
    std::uint64_t table = kRoot;
    for (unsigned level = geometry_.levels(); level > leaf_level; --level) {
      const auto slot = table + index(address, level) * 8;
      const auto entry = memory.load<std::uint64_t>(PhysAddr{slot}).value_or(0);
      if ((entry & 1) == 0) {
        next_ += 1 << 16;
        memory.put(slot, next_ | 3);
        clear(next_);
      }
      table = memory.load<std::uint64_t>(PhysAddr{slot}).value() & ~0xffffull;
    }
    // Valid, inner shareable (without LPA2), accessed, never executed, and the hint of contiguity.
    const std::uint64_t attributes = 1ull << 54 | 1ull << 52 | 1 << 10;
    memory.put(table + index(address, leaf_level) * 8, descriptor(physical) | attributes |
                                                           (geometry_.lpa2 ? 0 : 3 << 8) |
                                                           (leaf_level == 1 ? 3 : 1));
  }

  std::uint64_t size_of(unsigned level) const {
    return 1ull << (geometry_.page_shift + (level - 1) * (geometry_.page_shift - 3));
  }

  FakePhysMemory memory;

 private:
  void clear(std::uint64_t table) {
    for (std::uint64_t at = 0; at < 1ull << geometry_.page_shift; at += 4096) {
      memory.put(table + at, std::uint64_t{0});
    }
  }
  // Where the upper bits of a physical address go.
  std::uint64_t descriptor(std::uint64_t physical) const {
    const std::uint64_t low = physical & 0xffff'ffff'ffff;
    if (geometry_.page_shift == 16) return low | (physical >> 48 & 0xf) << 12;
    if (geometry_.lpa2) return (physical & 0x3'ffff'ffff'ffff) | (physical >> 50 & 3) << 8;
    return low;
  }
  std::uint64_t index(std::uint64_t address, unsigned level) const {
    const unsigned per_level = geometry_.page_shift - 3;
    const unsigned shift = geometry_.page_shift + (level - 1) * per_level;
    const unsigned top = geometry_.built_va_bits - shift;
    const unsigned width = level == geometry_.levels() && top < per_level ? top : per_level;
    return address >> shift & ((1ull << width) - 1);
  }

  Arm64Geometry geometry_;
  std::uint64_t next_ = kRoot;
  bool started_ = false;
};

}  // namespace rig::analyzer::fake
