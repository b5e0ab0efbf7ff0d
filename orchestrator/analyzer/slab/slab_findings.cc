// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/slab_findings.h"

#include <algorithm>
#include <bit>

#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxCorruptions = 1000;
constexpr std::size_t kMaxUnwalked = 100;

CorruptionKind kind_of(FreeList::End end) {
  switch (end) {
    case FreeList::End::kForeign:
      return CorruptionKind::kFreePointerForeign;
    case FreeList::End::kMisaligned:
      return CorruptionKind::kFreePointerMisaligned;
    default:
      return CorruptionKind::kFreePointerInvalid;
  }
}

std::string_view words_of(FreeList::End end) {
  switch (end) {
    case FreeList::End::kForeign:
      return "which lies outside the slab";
    case FreeList::End::kMisaligned:
      return "which is the start of no object";
    default:
      return "which is no address of the direct map";
  }
}

// One byte of a pointer, or two beside each other.
struct FewBytes {
  unsigned first = 0, last = 0;
};

// Which bytes differ, when those are few and not the lowest two. A value that was hit by chance
// differs in more.
std::optional<FewBytes> few_bytes(std::uint64_t difference) {
  constexpr unsigned kBits = 8;
  if (difference == 0 || difference % (1U << 2 * kBits) != 0) return std::nullopt;
  const unsigned first = static_cast<unsigned>(std::countr_zero(difference)) / kBits;
  const unsigned last = (63 - static_cast<unsigned>(std::countl_zero(difference))) / kBits;
  if (last > first + 1) return std::nullopt;
  return FewBytes{first, last};
}

// What a pointer was before somebody wrote over a small part of it.
struct Former {
  FewBytes wrong;
  VirtAddr pointer{};  // NULL: the end of the list
};

// Nothing: not to be seen. One that leads to another slab may well be whole.
std::optional<Former> former_of(const Slab& slab, FreeList::End end, VirtAddr bad) {
  if (end != FreeList::End::kInvalid) return std::nullopt;
  if (const auto wrong = few_bytes(raw(bad))) return Former{*wrong, {}};
  for (std::uint64_t slot = 0; slot < slab.objects; ++slot) {
    const VirtAddr object = slab.object(slot);
    if (const auto wrong = few_bytes(raw(bad) ^ raw(object))) return Former{*wrong, object};
  }
  return std::nullopt;
}

// "; but for byte 6 it is object 0xffff... of this slab"; empty: what it was is not to be seen.
std::string former_words(const std::optional<Former>& former) {
  if (!former) return {};
  const FewBytes& wrong = former->wrong;
  const std::string bytes = wrong.first == wrong.last
                                ? fmt::format("byte {}", wrong.first)
                                : fmt::format("bytes {} and {}", wrong.first, wrong.last);
  return raw(former->pointer) == 0
             ? fmt::format("; but for {} it is NULL, the end of the list", bytes)
             : fmt::format("; but for {} it is object {} of this slab", bytes, former->pointer);
}

std::optional<unsigned> wrong_byte(const std::optional<Former>& former) {
  if (!former) return std::nullopt;
  return former->wrong.first;
}

std::vector<std::byte> bytes_of(std::uint64_t value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return {bytes.begin(), bytes.end()};
}

std::string_view part_of(CorruptionKind kind) {
  switch (kind) {
    case CorruptionKind::kPoisonOverwritten:
      return "the poison of the free object";
    case CorruptionKind::kRedZoneOverwritten:
      return "the red zone of the object";
    default:
      return "the padding of the object";
  }
}

}  // namespace

void SlabFindings::unwalked(std::string why) {
  if (std::ranges::find(unwalked_, why) != unwalked_.end()) return;
  if (unwalked_.size() < kMaxUnwalked) {
    unwalked_.push_back(std::move(why));
  } else {
    ++unwalked_left_out_;
  }
}

void SlabFindings::add(SlabCorruption corruption) {
  if (corruptions_.size() >= kMaxCorruptions) {
    ++left_out_;
    return;
  }
  corruptions_.push_back(std::move(corruption));
}

SlabCorruption SlabFindings::of_object(CorruptionKind kind, const Slab& slab, std::uint32_t slot,
                                       bool allocated, std::string where) const {
  SlabCorruption found;
  found.kind = kind;
  found.cache = slab.cache.name;
  found.slab = slab.begin;
  found.object = slab.object(slot);
  found.object_size = slab.cache.object_size;
  found.allocated = allocated;
  found.where = std::move(where);
  if (debug_ && corruptions_.size() < kMaxCorruptions) {
    found.alloc = debug_->allocated_by(slab.cache, *found.object);
    found.free = debug_->freed_by(slab.cache, *found.object);
  }
  return found;
}

void SlabFindings::wrong_pointer(const Slab& slab, const NamedList& found) {
  const FreeList& list = found.list;
  const CorruptionKind kind = kind_of(list.end);
  const auto former = former_of(slab, list.end, list.bad);
  if (!list.holder) {
    SlabCorruption head;
    head.kind = kind;
    head.cache = slab.cache.name;
    head.slab = slab.begin;
    head.object_size = slab.cache.object_size;
    head.pointer = list.bad;
    head.wrong_byte = wrong_byte(former);
    head.found = bytes_of(raw(list.bad));
    head.where = found.where;
    head.summary = fmt::format("{}: the {} begins with {}, {}{}", slab.cache.name, found.where,
                               list.bad, words_of(list.end), former_words(former));
    add(std::move(head));
    return;
  }
  SlabCorruption holder = of_object(kind, slab, *list.holder, false, found.where);
  holder.offset = static_cast<std::int64_t>(slab.cache.free_pointer);
  holder.found = bytes_of(list.stored);
  holder.pointer = list.bad;
  holder.wrong_byte = wrong_byte(former);
  holder.summary =
      fmt::format("{}: the free pointer in object {} (+{:#x}) on the {} leads to {}, {}{}",
                  slab.cache.name, *holder.object, slab.cache.free_pointer, found.where, list.bad,
                  words_of(list.end), former_words(former));
  add(std::move(holder));
}

void SlabFindings::freed_twice(const Slab& slab, std::uint32_t slot, const NamedList& first,
                               const NamedList& second) {
  const bool same = first.where == second.where;
  SlabCorruption found =
      of_object(CorruptionKind::kFreedTwice, slab, slot, false,
                same ? first.where : fmt::format("{} and {}", first.where, second.where));
  found.offset = static_cast<std::int64_t>(slab.cache.free_pointer);
  found.summary = same ? fmt::format("{}: object {} is on the {} twice: freed twice",
                                     slab.cache.name, *found.object, first.where)
                       : fmt::format("{}: object {} is on the {} and on the {}: freed twice",
                                     slab.cache.name, *found.object, first.where, second.where);
  add(std::move(found));
}

void SlabFindings::free_and_in_use(const Slab& slab, std::uint32_t slot, const std::string& where) {
  SlabCorruption found = of_object(CorruptionKind::kFreeAndInUse, slab, slot, false, where);
  found.summary = fmt::format("{}: object {} is on the {}, but its red zone says that it is in use",
                              slab.cache.name, *found.object, where);
  add(std::move(found));
}

void SlabFindings::wrong_bytes(const Slab& slab, std::optional<std::uint32_t> slot, bool allocated,
                               const std::string& where, WrongBytes bytes) {
  SlabCorruption found;
  if (slot) {
    found = of_object(bytes.kind, slab, *slot, allocated, where);
  } else {
    found.kind = bytes.kind;
    found.cache = slab.cache.name;
    found.slab = slab.begin;
    found.object_size = slab.cache.object_size;
    found.where = where;
  }
  found.offset = bytes.offset;
  found.summary =
      slot ? fmt::format("{}: {} {} was overwritten: {} byte{} from {} on", slab.cache.name,
                         part_of(bytes.kind), *found.object, bytes.count,
                         bytes.count == 1 ? "" : "s", signed_hex(bytes.offset))
           : fmt::format(
                 "{}: the padding behind the last object of the slab at {} was "
                 "overwritten: {} byte{} from {} on",
                 slab.cache.name, slab.begin, bytes.count, bytes.count == 1 ? "" : "s",
                 signed_hex(bytes.offset));
  found.expected = std::move(bytes.expected);
  found.found = std::move(bytes.found);
  add(std::move(found));
}

void SlabFindings::of_slab(CorruptionKind kind, const std::string& cache, VirtAddr slab,
                           std::string where, std::string summary) {
  SlabCorruption found;
  found.kind = kind;
  found.cache = cache;
  found.slab = slab;
  found.where = std::move(where);
  found.summary = std::move(summary);
  add(std::move(found));
}

void SlabFindings::move_to(SlabFacts& facts) {
  facts.corruptions = std::move(corruptions_);
  facts.unwalked = std::move(unwalked_);
  if (left_out_ != 0) {
    facts.unwalked.push_back(fmt::format("{} more corruptions: only the first {} are listed",
                                         left_out_, kMaxCorruptions));
  }
  if (unwalked_left_out_ != 0) {
    facts.unwalked.push_back(fmt::format("{} more that could not be walked", unwalked_left_out_));
  }
}

}  // namespace rig::analyzer
