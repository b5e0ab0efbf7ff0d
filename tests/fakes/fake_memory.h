// SPDX-License-Identifier: Apache-2.0
// Guest memory for tests: bytes where they were put, nothing elsewhere.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>

#include "analyzer/core/virt_memory.h"

namespace rig::analyzer::fake {

// Pages of 4 KiB that exist once something was written into them.
class Pages {
 public:
  static constexpr std::uint64_t kPage = 4096;

  void write(std::uint64_t address, ByteView bytes) {
    while (!bytes.empty()) {
      const auto part = std::min<std::uint64_t>(bytes.size(), kPage - address % kPage);
      auto& page = pages_[address / kPage];
      page.resize(kPage);
      std::memcpy(page.data() + address % kPage, bytes.data(), part);
      bytes = bytes.subspan(part);
      address += part;
    }
  }

  Read<void> read(std::uint64_t address, MutableBytes out, Absence missing) const {
    while (!out.empty()) {
      const auto page = pages_.find(address / kPage);
      if (page == pages_.end()) return tl::unexpected(ReadFault{missing, address});
      const auto part = std::min<std::uint64_t>(out.size(), kPage - address % kPage);
      std::memcpy(out.data(), page->second.data() + address % kPage, part);
      out = out.subspan(part);
      address += part;
    }
    return {};
  }

  void forget(std::uint64_t address) { pages_.erase(address / kPage); }
  std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> all;
    for (const auto& [number, bytes] : pages_) all.push_back(number);
    return all;
  }

 private:
  std::map<std::uint64_t, std::vector<std::byte>> pages_;
};

class FakePhysMemory final : public PhysMemory {
 public:
  Read<void> read(PhysAddr address, MutableBytes out) const override {
    return pages.read(raw(address), out, Absence::kNotPresent);
  }
  std::vector<PhysRange> ranges() const override {
    std::vector<PhysRange> all;
    for (const auto number : pages.numbers()) {
      all.push_back({PhysAddr{number * Pages::kPage}, Pages::kPage});
    }
    return all;
  }
  template <typename T>
  void put(std::uint64_t address, const T& value) {
    pages.write(address, std::as_bytes(std::span(&value, 1)));
  }

  Pages pages;
};

// Virtual memory without page tables. Addresses from `direct_map` on translate to physical ones.
class FakeVirtMemory final : public VirtMemory {
 public:
  static constexpr std::uint64_t kDirectMap = 0xffff'8880'0000'0000;
  static constexpr std::uint64_t kDirectMapSize = 64ull << 30;

  Read<void> read(VirtAddr address, MutableBytes out) const override {
    return pages.read(raw(address), out, Absence::kUnmapped);
  }
  Read<PhysAddr> translate(VirtAddr address) const override {
    std::byte probe;
    if (auto got = read(address, MutableBytes(&probe, 1)); !got) return tl::unexpected(got.error());
    if (raw(address) - kDirectMap < kDirectMapSize) return PhysAddr{raw(address) - kDirectMap};
    return PhysAddr{raw(address) & 0xffff'ffff};
  }
  template <typename T>
  void put(std::uint64_t address, const T& value) {
    pages.write(address, std::as_bytes(std::span(&value, 1)));
  }
  void put_text(std::uint64_t address, std::string_view text) {
    pages.write(address, as_bytes(text));
    put(address + text.size(), '\0');
  }

  Pages pages;
};

}  // namespace rig::analyzer::fake
