// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/address_space.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

// Granule of the translation cache; larger leaves fill one slot per piece that is asked for.
constexpr std::uint64_t kGranule = 4096;

}  // namespace

Read<Mapping> AddressSpace::map(VirtAddr address) const {
  Mapping& slot = cache_[raw(address) / kGranule % cache_.size()];
  if (raw(address) - raw(slot.begin) < slot.size) return slot;
  auto found = table_->walk(address);
  if (found) slot = *found;
  return found;
}

Read<PhysAddr> AddressSpace::translate(VirtAddr address) const {
  const auto leaf = map(address);
  if (!leaf) return tl::unexpected(leaf.error());
  return leaf->to + (address - leaf->begin);
}

Read<void> AddressSpace::read(VirtAddr address, MutableBytes out) const {
  while (!out.empty()) {
    const auto leaf = map(address);
    if (!leaf) return tl::unexpected(leaf.error());
    const std::uint64_t skip = address - leaf->begin;
    const auto part = std::min<std::uint64_t>(out.size(), leaf->size - skip);
    if (auto got = memory_.read(leaf->to + skip, out.first(part)); !got) {
      // The fault names a physical address; the caller asked in virtual ones.
      const std::uint64_t into = got.error().address - raw(leaf->to + skip);
      return tl::unexpected(ReadFault{got.error().why, raw(address) + std::min(into, part - 1)});
    }
    out = out.subspan(part);
    address += part;
  }
  return {};
}

}  // namespace rig::analyzer
