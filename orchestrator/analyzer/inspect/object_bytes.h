// SPDX-License-Identifier: Apache-2.0
// The bytes of one object of the guest, with holes where the core lacks them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/core/virt_memory.h"

namespace rig::analyzer {

class ObjectBytes {
 public:
  // Reads page by page: a page that is missing does not hide the others.
  ObjectBytes(const VirtMemory& memory, VirtAddr at, std::uint64_t size);

  VirtAddr at() const { return at_; }
  ByteView bytes() const { return bytes_; }  // zeroes in the holes

  // Nothing when the part is whole, else the fault: "excluded at 0x…".
  std::optional<ReadFault> missing(std::uint64_t offset, std::uint64_t size) const;

 private:
  struct Hole {
    std::uint64_t begin, end;
    ReadFault fault;
  };

  VirtAddr at_{};
  std::vector<std::byte> bytes_;
  std::vector<Hole> holes_;  // ascending
};

// "<page excluded at 0xffff…>", "<not mapped at 0xffff…>": what stands in place of a value.
std::string placeholder(const ReadFault& fault);

}  // namespace rig::analyzer
