// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/virt_memory.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

// The smallest page of any architecture: pieces of this size are present or missing as a whole.
constexpr std::uint64_t kPiece = 4096;

std::uint64_t to_end_of_piece(VirtAddr address) {
  return kPiece - raw(address) % kPiece;
}

}  // namespace

std::vector<std::byte> VirtMemory::read_up_to(VirtAddr address, std::uint64_t size) const {
  std::vector<std::byte> bytes(size);
  if (read(address, bytes)) return bytes;
  std::uint64_t done = 0;
  while (done < size) {
    const auto part = std::min(size - done, to_end_of_piece(address + done));
    if (!read(address + done, MutableBytes(bytes).subspan(done, part))) break;
    done += part;
  }
  bytes.resize(done);
  return bytes;
}

std::uint64_t VirtMemory::read_with_holes(VirtAddr address, MutableBytes out) const {
  if (read(address, out)) return 0;
  std::uint64_t missing = 0;
  for (std::uint64_t done = 0; done < out.size();) {
    const auto part = std::min(out.size() - done, to_end_of_piece(address + done));
    const auto piece = out.subspan(done, part);
    if (!read(address + done, piece)) {
      std::ranges::fill(piece, std::byte{0});
      missing += part;
    }
    done += part;
  }
  return missing;
}

std::string VirtMemory::c_string(VirtAddr address, std::uint64_t limit) const {
  const auto bytes = read_up_to(address, limit);
  const auto text = as_text(bytes);
  return std::string(text.substr(0, text.find('\0')));
}

}  // namespace rig::analyzer
