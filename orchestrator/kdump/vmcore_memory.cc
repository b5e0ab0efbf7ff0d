// SPDX-License-Identifier: Apache-2.0
#include "kdump/vmcore_memory.h"

#include <algorithm>
#include <cstring>

namespace rig::kdump {

const MemoryPiece* VmcoreMemory::piece_at(std::uint64_t address) const {
  const auto& pieces = layout_.memory;
  const auto after = std::upper_bound(
      pieces.begin(), pieces.end(), address,
      [](std::uint64_t at, const MemoryPiece& piece) { return at < raw(piece.begin); });
  if (after == pieces.begin()) return nullptr;
  const MemoryPiece& piece = *(after - 1);
  return address - raw(piece.begin) < piece.size ? &piece : nullptr;
}

// Block `block` of the file's offsets, as far as it lies in the piece; the rest of it is zero. A
// block that two pieces share is fetched for one and for the other.
ByteView VmcoreMemory::fetch(const MemoryPiece& piece, std::uint64_t block) const {
  if (const ByteView cached = cache_.find(block); !cached.empty()) return cached;
  const std::uint64_t begin = std::max(block * kBlock, piece.offset);
  const std::uint64_t end = std::min((block + 1) * kBlock, piece.offset + piece.size);
  const auto bytes = read_bytes(read_, begin, end - begin);
  if (!bytes) {
    if (!error_) error_ = bytes.error();
    return {};
  }
  const MutableBytes slot = cache_.insert(block);
  std::memset(slot.data(), 0, slot.size());
  bytes->copy(reinterpret_cast<char*>(slot.data()) + (begin - block * kBlock), bytes->size());
  if (end - begin != kBlock) {
    // Another piece may have the rest of it: this copy serves one read.
    cache_.forget(block);
  }
  return slot;
}

analyzer::Read<void> VmcoreMemory::read(PhysAddr address, MutableBytes out) const {
  std::uint64_t at = raw(address);
  while (!out.empty()) {
    const MemoryPiece* piece = piece_at(at);
    if (piece == nullptr) {
      return tl::unexpected(analyzer::ReadFault{analyzer::Absence::kNotPresent, at});
    }
    const std::uint64_t offset = piece->offset + (at - raw(piece->begin));
    const ByteView block = fetch(*piece, offset / kBlock);
    if (block.empty()) {
      return tl::unexpected(analyzer::ReadFault{analyzer::Absence::kDamaged, at});
    }
    const std::uint64_t inside = offset % kBlock;
    const std::uint64_t left = raw(piece->begin) + piece->size - at;
    const std::size_t count = std::min({std::uint64_t{out.size()}, kBlock - inside, left});
    std::memcpy(out.data(), block.data() + inside, count);
    out = out.subspan(count);
    at += count;
  }
  return {};
}

std::vector<analyzer::PhysRange> VmcoreMemory::ranges() const {
  std::vector<analyzer::PhysRange> all;
  for (const MemoryPiece& piece : layout_.memory) {
    const bool joins = !all.empty() && raw(all.back().begin) + all.back().size == raw(piece.begin);
    if (joins) {
      all.back().size += piece.size;
    } else {
      all.push_back({piece.begin, piece.size});
    }
  }
  return all;
}

}  // namespace rig::kdump
