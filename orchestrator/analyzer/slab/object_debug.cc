// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/object_debug.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "analyzer/slab/debug_layout.h"
#include "analyzer/slab/object_tracks.h"

namespace rig::analyzer {
namespace {

// include/linux/poison.h.
constexpr std::byte kPoisonInUse{0x5a}, kPoisonFree{0x6b}, kPoisonEnd{0xa5};
constexpr std::byte kRedActive{0xcc}, kRedInactive{0xbb};

constexpr std::size_t kMaxShown = 64;  // of the wrong bytes
constexpr std::uint64_t kMaxSlot = 64 << 20;
constexpr std::uint64_t kPage = 4096;

// Bytes that must all be `value`, the last one `last`; `at`: from the object.
struct FilledBytes {
  CorruptionKind kind{};
  std::int64_t at = 0;
  std::uint64_t size = 0;
  std::byte value{}, last{};

  std::byte expected(std::uint64_t index) const { return index + 1 == size ? last : value; }
};

// memchr_inv(): whether all bytes are `value`.
bool all_are(ByteView bytes, std::byte value) {
  return bytes.empty() ||
         (bytes[0] == value && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Memory from `begin` on, and which parts of it the core does not have.
struct Piece {
  std::vector<std::byte> bytes;
  std::vector<bool> missing;  // by page from `begin`'s; empty: all there

  bool is_missing(VirtAddr begin, std::uint64_t offset) const {
    return !missing.empty() && missing[(raw(begin) % kPage + offset) / kPage];
  }
};

void read_piece(const VirtMemory& memory, VirtAddr begin, std::uint64_t size, Piece& piece) {
  piece.bytes.resize(size);
  piece.missing.clear();
  if (memory.read(begin, piece.bytes)) return;
  piece.missing.resize((raw(begin) % kPage + size) / kPage + 1);
  for (std::uint64_t done = 0; done < size;) {
    const auto part = std::min(size - done, kPage - (raw(begin) + done) % kPage);
    const auto into = MutableBytes(piece.bytes).subspan(done, part);
    if (!memory.read(begin + done, into)) {
      piece.missing[(raw(begin) % kPage + done) / kPage] = true;
    }
    done += part;
  }
}

// Compares one region; `skip`: where it begins in the piece.
std::optional<WrongBytes> compare(const FilledBytes& region, const Piece& piece, VirtAddr begin,
                                  std::uint64_t skip) {
  if (region.size == 0) return std::nullopt;
  const auto bytes = slice(piece.bytes, skip, region.size);
  if (!bytes) return std::nullopt;
  if (piece.missing.empty() && all_are(bytes->first(region.size - 1), region.value) &&
      bytes->back() == region.last) {
    return std::nullopt;
  }
  std::uint64_t first = region.size, end = 0;
  for (std::uint64_t i = 0; i < region.size; ++i) {
    if ((*bytes)[i] == region.expected(i) || piece.is_missing(begin, skip + i)) continue;
    first = std::min(first, i);
    end = i + 1;
  }
  if (end == 0) return std::nullopt;
  WrongBytes wrong{region.kind, region.at + static_cast<std::int64_t>(first), {}, {}, end - first};
  for (std::uint64_t i = first; i < end && i - first < kMaxShown; ++i) {
    wrong.expected.push_back(region.expected(i));
    wrong.found.push_back((*bytes)[i]);
  }
  return wrong;
}

FilledBytes filled(CorruptionKind kind, std::uint64_t from, std::uint64_t to, std::byte value) {
  return {kind, static_cast<std::int64_t>(from), to > from ? to - from : 0, value, value};
}

// What check_object() and check_pad_bytes() look at, in their order.
std::vector<FilledBytes> regions(const DebugLayout& layout, ObjectState state) {
  std::vector<FilledBytes> all;
  const std::byte red = state == ObjectState::kActive ? kRedActive : kRedInactive;
  if (layout.red_zone) {
    all.push_back({CorruptionKind::kRedZoneOverwritten, -static_cast<std::int64_t>(layout.red_left),
                   layout.red_left, red, red});
    all.push_back(
        filled(CorruptionKind::kRedZoneOverwritten, layout.object_size, layout.in_use, red));
  } else if (layout.poison) {
    all.push_back(filled(CorruptionKind::kPaddingOverwritten, layout.object_size, layout.in_use,
                         kPoisonInUse));
  }
  if (layout.object_poison && state == ObjectState::kInactive) {
    // Since v6.8 KASAN's note in a free object is left alone.
    FilledBytes poison = filled(CorruptionKind::kPoisonOverwritten, layout.kasan_in_object,
                                layout.object_size, kPoisonFree);
    poison.last = kPoisonEnd;
    all.push_back(poison);
  }
  if (layout.poison) {
    all.push_back(
        filled(CorruptionKind::kPaddingOverwritten, layout.padding, layout.end, kPoisonInUse));
  }
  return all;
}

}  // namespace

struct ObjectDebug::State {
  explicit State(const Kernel& its) : kernel(its), format(its), tracks(its) {}

  const DebugLayout& layout(const SlabCache& cache) {
    const auto [found, fresh] = layouts.try_emplace(raw(cache.at));
    if (fresh && cache.size <= kMaxSlot) found->second = format.layout(cache);
    return found->second;
  }

  const Kernel& kernel;
  DebugFormat format;
  ObjectTracks tracks;
  std::unordered_map<std::uint64_t, DebugLayout> layouts;  // by struct kmem_cache
  Piece piece;                                             // read into again and again
};

ObjectDebug::ObjectDebug(const Kernel& kernel) : state_(std::make_unique<State>(kernel)) {}
ObjectDebug::ObjectDebug(ObjectDebug&&) noexcept = default;
ObjectDebug& ObjectDebug::operator=(ObjectDebug&&) noexcept = default;
ObjectDebug::~ObjectDebug() = default;

bool ObjectDebug::checks(const SlabCache& cache) const {
  return state_->layout(cache).has_bytes();
}

bool ObjectDebug::tracks(const SlabCache& cache) const {
  const DebugLayout& layout = state_->layout(cache);
  return layout.tracks || layout.kasan_alloc;
}

std::optional<ObjectState> ObjectDebug::state(const SlabCache& cache, VirtAddr object) const {
  const DebugLayout& layout = state_->layout(cache);
  if (!layout.red_zone) return std::nullopt;
  const VirtMemory& memory = state_->kernel.memory();
  // Either zone may be the one that was overwritten.
  std::size_t active = 0, inactive = 0;
  const auto count = [&](VirtAddr at, std::uint64_t size) {
    std::vector<std::byte> bytes(size);
    if (!memory.read(at, bytes)) return;
    active += static_cast<std::size_t>(std::ranges::count(bytes, kRedActive));
    inactive += static_cast<std::size_t>(std::ranges::count(bytes, kRedInactive));
  };
  count(object - layout.red_left, layout.red_left);
  count(object + layout.object_size, layout.in_use - layout.object_size);
  if ((active == 0) == (inactive == 0)) return std::nullopt;
  return active != 0 ? ObjectState::kActive : ObjectState::kInactive;
}

std::vector<WrongBytes> ObjectDebug::check(const SlabCache& cache, VirtAddr object,
                                           ObjectState state) const {
  const DebugLayout& layout = state_->layout(cache);
  if (!layout.has_bytes()) return {};
  const VirtAddr begin = object - layout.red_left;
  Piece& piece = state_->piece;
  read_piece(state_->kernel.memory(), begin, cache.size, piece);
  std::vector<WrongBytes> found;
  for (const FilledBytes& each : regions(layout, state)) {
    const auto skip =
        static_cast<std::uint64_t>(static_cast<std::int64_t>(layout.red_left) + each.at);
    if (auto wrong = compare(each, piece, begin, skip)) found.push_back(*std::move(wrong));
  }
  return found;
}

// slab_pad_check().
std::optional<WrongBytes> ObjectDebug::check_slab_padding(const Slab& slab,
                                                          std::uint64_t bytes) const {
  const DebugLayout& layout = state_->layout(slab.cache);
  if (!layout.poison || slab.cache.size == 0 || bytes > kMaxSlot) return std::nullopt;
  const auto rest = bytes % slab.cache.size;
  if (rest == 0) return std::nullopt;
  const VirtAddr begin = slab.begin + (bytes - rest);
  read_piece(state_->kernel.memory(), begin, rest, state_->piece);
  return compare(filled(CorruptionKind::kPaddingOverwritten, bytes - rest, bytes, kPoisonInUse),
                 state_->piece, begin, 0);
}

std::optional<bool> ObjectDebug::freed_by_shadow(const SlabCache& cache, VirtAddr object) const {
  const DebugLayout& layout = state_->layout(cache);
  const KasanShadow* shadow = state_->tracks.shadow();
  if (!shadow || !layout.kasan_alloc || layout.typesafe_by_rcu) return std::nullopt;
  const auto byte = shadow->byte(object);
  if (!byte) return std::nullopt;
  switch (shadow_kind(*byte)) {
    case ShadowKind::kAccessible:
      return false;
    case ShadowKind::kObjectFreed:
    case ShadowKind::kObjectRedZone:
      return true;
    default:
      return std::nullopt;
  }
}

const KasanShadow* ObjectDebug::shadow() const {
  return state_->tracks.shadow();
}

std::optional<ObjectTrack> ObjectDebug::allocated_by(const SlabCache& cache,
                                                     VirtAddr object) const {
  return state_->tracks.allocated_by(state_->layout(cache), object);
}

std::optional<ObjectTrack> ObjectDebug::freed_by(const SlabCache& cache, VirtAddr object) const {
  return state_->tracks.freed_by(state_->layout(cache), object);
}

}  // namespace rig::analyzer
