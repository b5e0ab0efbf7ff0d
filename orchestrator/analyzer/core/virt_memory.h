// SPDX-License-Identifier: Apache-2.0
// The guest's virtual memory, as symbols/ and facts/ read it. arch/ implements it by walking page
// tables; tests implement it with a map of bytes.
#pragma once

#include <string>

#include "analyzer/core/memory.h"

namespace rig::analyzer {

class VirtMemory {
 public:
  virtual ~VirtMemory() = default;

  // Fills `out` from `address` on, across pages, or says what is missing first.
  virtual Read<void> read(VirtAddr address, MutableBytes out) const = 0;

  // Where the byte at `address` lies in physical memory.
  virtual Read<PhysAddr> translate(VirtAddr address) const = 0;

  template <typename T>
  Read<T> load(VirtAddr address) const {
    T value;
    if (auto got = read(address, std::as_writable_bytes(std::span(&value, 1))); !got) {
      return tl::unexpected(got.error());
    }
    return value;
  }

  // The bytes from `address` on up to the first that is missing: at most `size`, maybe none.
  std::vector<std::byte> read_up_to(VirtAddr address, std::uint64_t size) const;

  // Fills `out` page by page and leaves zeroes where a page is missing. Returns the missing bytes.
  std::uint64_t read_with_holes(VirtAddr address, MutableBytes out) const;

  // The text up to its NUL or `limit`; empty when nothing can be read.
  std::string c_string(VirtAddr address, std::uint64_t limit) const;
};

}  // namespace rig::analyzer
