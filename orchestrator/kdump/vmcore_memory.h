// SPDX-License-Identifier: Apache-2.0
// The crashed kernel's memory, read from afar as it is asked for.
#pragma once

#include <optional>
#include <vector>

#include "analyzer/core/memory.h"
#include "analyzer/core/page_cache.h"
#include "base/error.h"
#include "base/file_ranges.h"
#include "kdump/vmcore_layout.h"

namespace rig::kdump {

class VmcoreMemory final : public analyzer::PhysMemory {
 public:
  // Both must outlive it.
  VmcoreMemory(const VmcoreLayout& layout, const RangeReader& read)
      : layout_(layout), read_(read), cache_(kBlock) {}

  analyzer::Read<void> read(PhysAddr address, MutableBytes out) const override;
  std::vector<analyzer::PhysRange> ranges() const override;

  // A read that failed for another reason than that there is no such memory: that of the reader.
  // What was said to be damaged is not, then.
  const std::optional<Error>& error() const { return error_; }

 private:
  static constexpr std::uint64_t kBlock = 64 << 10;  // fetched at a time

  const MemoryPiece* piece_at(std::uint64_t address) const;
  ByteView fetch(const MemoryPiece& piece, std::uint64_t block) const;

  const VmcoreLayout& layout_;
  const RangeReader& read_;
  mutable analyzer::PageCache cache_;
  mutable std::optional<Error> error_;
};

}  // namespace rig::kdump
