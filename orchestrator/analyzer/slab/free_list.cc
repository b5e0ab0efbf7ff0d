// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/free_list.h"

namespace rig::analyzer {
namespace {

std::uint64_t decode(PointerCoding coding, const SlabCache& cache, VirtAddr where,
                     std::uint64_t stored) {
  switch (coding) {
    case PointerCoding::kPlain:
      return stored;
    case PointerCoding::kXor:
      return stored ^ cache.random.value_or(0) ^ raw(where);
    case PointerCoding::kXorSwapped:
      break;
  }
  return stored ^ cache.random.value_or(0) ^ __builtin_bswap64(raw(where));
}

std::string words_of(FreeList::End end, VirtAddr bad) {
  switch (end) {
    case FreeList::End::kNull:
      return {};
    case FreeList::End::kRepeated:
      return fmt::format("{} is on it twice", bad);
    case FreeList::End::kUnreadable:
      return fmt::format("{} is not in the core", bad);
    default:
      return fmt::format("{} is no object of this slab", bad);
  }
}

}  // namespace

std::optional<std::uint32_t> slot_of(const Slab& slab, VirtAddr address) {
  const VirtAddr first = slab.object(0);
  if (address < first || (address - first) % slab.cache.size != 0) return std::nullopt;
  const auto slot = (address - first) / slab.cache.size;
  if (slot >= slab.objects || slot >= kMaxSlabObjects) return std::nullopt;
  return static_cast<std::uint32_t>(slot);
}

FreeList::End FreeLists::misfit(const Slab& slab, VirtAddr pointer) const {
  if (pointer - slab.begin < slab.objects * slab.cache.size) return FreeList::End::kMisaligned;
  return layout_.page_of(kernel_, pointer) ? FreeList::End::kForeign : FreeList::End::kInvalid;
}

FreeList FreeLists::walk(const Slab& slab, VirtAddr first, PointerCoding coding) {
  FreeList list;
  seen_.assign((slab.objects + 63) / 64, 0);
  VirtAddr at = first;
  const auto finish = [&](FreeList::End end) {
    list.end = end;
    list.bad = at;
    list.broken = words_of(end, at);
    return list;
  };
  while (raw(at) != 0) {
    const auto slot = slot_of(slab, at);
    if (!slot) return finish(misfit(slab, at));
    std::uint64_t& seen = seen_[*slot / 64];
    const std::uint64_t bit = 1ull << (*slot % 64);
    if ((seen & bit) != 0) return finish(FreeList::End::kRepeated);
    seen |= bit;
    list.slots.push_back(*slot);
    const VirtAddr link = at + slab.cache.free_pointer;
    const auto stored = kernel_.memory().load<std::uint64_t>(link);
    if (!stored) return finish(FreeList::End::kUnreadable);
    list.holder = *slot;
    list.stored = *stored;
    at = VirtAddr{decode(coding, slab.cache, link, *stored)};
  }
  return list;
}

// How a hardened kernel stores pointers is written down nowhere in its memory. By chance no list
// ends with NULL under a wrong coding, so that one that does proves it for all.
FreeList FreeLists::walk(const Slab& slab, VirtAddr first) {
  if (!slab.cache.random) return walk(slab, first, PointerCoding::kPlain);
  if (coding_ || raw(first) == 0) {
    return walk(slab, first, coding_.value_or(PointerCoding::kXorSwapped));
  }
  FreeList list = walk(slab, first, PointerCoding::kXorSwapped);
  if (list.end == FreeList::End::kNull) {
    coding_ = PointerCoding::kXorSwapped;
    return list;
  }
  FreeList older = walk(slab, first, PointerCoding::kXor);
  if (older.end != FreeList::End::kNull) return list;
  coding_ = PointerCoding::kXor;
  return older;
}

}  // namespace rig::analyzer
