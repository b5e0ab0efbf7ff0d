// SPDX-License-Identifier: Apache-2.0
// Generic KASAN's shadow memory: a byte for every eight bytes of the kernel's half that says
// whether they may be accessed. Format: mm/kasan/kasan.h, include/linux/kasan.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

enum class ShadowKind {
  kAccessible,  // all eight bytes, or the first few
  kObjectFreed,
  kObjectRedZone,  // behind what was asked for, between objects, or never allocated
  kPageFreed,
  kPageRedZone,
  kGlobalRedZone,
  kStackRedZone,
  kVmallocInvalid,
  kUnknown,
};
ShadowKind shadow_kind(std::uint8_t byte);
std::string shadow_words(std::uint8_t byte);  // "part of a freed object"

// The byte for the first bytes of a freed object that holds a note about its freeing.
inline constexpr std::uint8_t kShadowFreedWithTrack = 0xfa;

class KasanShadow {
 public:
  // Nothing: no such kernel, or where its shadow lies could not be proven.
  static std::optional<KasanShadow> open(const Kernel& kernel);

  VirtAddr shadow_of(VirtAddr address) const { return VirtAddr{(raw(address) >> 3) + offset_}; }
  // The first of the eight bytes whose shadow that is; nothing outside of the shadow.
  std::optional<VirtAddr> address_of(VirtAddr shadow) const;
  // Nothing where there is no shadow memory, or the core does not have it.
  std::optional<std::uint8_t> byte(VirtAddr address) const;

 private:
  KasanShadow(const Kernel& kernel, std::uint64_t offset) : kernel_(&kernel), offset_(offset) {}
  bool is_proven() const;

  const Kernel* kernel_;
  std::uint64_t offset_ = 0;  // KASAN_SHADOW_OFFSET
};

}  // namespace rig::analyzer
