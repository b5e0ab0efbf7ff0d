// SPDX-License-Identifier: Apache-2.0
// What slub_debug and KASAN keep around an object: red zones, poison, padding, who allocated and
// who freed it. Format: mm/slub.c (the comment "Object layout", struct track, check_object),
// include/linux/poison.h, mm/kasan/kasan.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "analyzer/heap_facts.h"
#include "analyzer/slab/kasan_shadow.h"
#include "analyzer/slab/slab_types.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

// How the debug bytes around an object say that it stands (SLUB_RED_ACTIVE, SLUB_RED_INACTIVE).
enum class ObjectState { kInactive, kActive };

// Bytes that are not as they must be.
struct WrongBytes {
  CorruptionKind kind{};
  std::int64_t offset = 0;  // from the object: negative in the left red zone
  std::vector<std::byte> expected,
      found;                // from the first to the last wrong byte, some bytes at most
  std::uint64_t count = 0;  // how many from the first to the last
};

class ObjectDebug {
 public:
  explicit ObjectDebug(const Kernel& kernel);
  ObjectDebug(ObjectDebug&&) noexcept;
  ObjectDebug& operator=(ObjectDebug&&) noexcept;
  ~ObjectDebug();

  // Of this cache: are there bytes to check, or notes about who had an object?
  bool checks(const SlabCache& cache) const;
  bool tracks(const SlabCache& cache) const;

  // What the red zone says; nothing without one, or when it is neither (then check() tells).
  std::optional<ObjectState> state(const SlabCache& cache, VirtAddr object) const;

  // Every byte around and in the object that cannot be if it is in that state; free objects' poison
  // included. Bytes that the core does not have are taken for right.
  std::vector<WrongBytes> check(const SlabCache& cache, VirtAddr object, ObjectState state) const;
  // The same for the bytes behind the last object of the slab; the offset is from the slab's first
  // byte. `bytes`: of the whole slab.
  std::optional<WrongBytes> check_slab_padding(const Slab& slab, std::uint64_t bytes) const;

  // By KASAN's shadow: freed, also while it is in quarantine and on no list, or never allocated.
  // Nothing without a shadow, or where it does not tell.
  std::optional<bool> freed_by_shadow(const SlabCache& cache, VirtAddr object) const;
  // Null: no generic KASAN, or its shadow could not be found.
  const KasanShadow* shadow() const;

  // Who allocated it last, who freed it last, by slub_debug's notes, else by KASAN's.
  std::optional<ObjectTrack> allocated_by(const SlabCache& cache, VirtAddr object) const;
  std::optional<ObjectTrack> freed_by(const SlabCache& cache, VirtAddr object) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rig::analyzer
