// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/kasan_shadow.h"

#include <algorithm>
#include <array>

#include "analyzer/arch/kernel_config.h"

namespace rig::analyzer {
namespace {

struct ShadowMeaning {
  std::uint8_t byte;
  ShadowKind kind;
  std::string_view words;
};

// mm/kasan/kasan.h of 6.1; the compiler's ABI fixes those of stacks.
constexpr ShadowMeaning kShadowMeanings[] = {
    {0xff, ShadowKind::kPageFreed, "part of a freed page"},
    {0xfe, ShadowKind::kPageRedZone, "the red zone of a large kmalloc()"},
    {0xfc, ShadowKind::kObjectRedZone, "a red zone of a slab object"},
    {0xfb, ShadowKind::kObjectFreed, "part of a freed slab object"},
    {0xfa, ShadowKind::kObjectFreed, "the beginning of a freed slab object"},
    {0xf9, ShadowKind::kGlobalRedZone, "the red zone of a global variable"},
    {0xf8, ShadowKind::kVmallocInvalid, "vmalloc space that is not in use, or out of scope"},
    {0xf1, ShadowKind::kStackRedZone, "the left red zone of a stack frame"},
    {0xf2, ShadowKind::kStackRedZone, "a red zone between variables of a stack frame"},
    {0xf3, ShadowKind::kStackRedZone, "the right red zone of a stack frame"},
    {0xf4, ShadowKind::kStackRedZone, "a partial red zone of a stack frame"},
    {0xf5, ShadowKind::kStackRedZone, "a stack frame after its function returned"},
    {0xca, ShadowKind::kStackRedZone, "the left red zone of an alloca()"},
    {0xcb, ShadowKind::kStackRedZone, "the right red zone of an alloca()"},
};

constexpr unsigned kGranule = 8;
constexpr std::uint64_t kX86Offset = 0xdfff'fc00'0000'0000;  // with 4 and with 5 levels
// What is looked at to prove an offset: so much of the shadow of each place.
using Sample = std::array<std::uint8_t, 256>;

const ShadowMeaning* meaning(std::uint8_t byte) {
  const auto found = std::ranges::find(kShadowMeanings, byte, &ShadowMeaning::byte);
  return found != std::end(kShadowMeanings) ? found : nullptr;
}

// arch/x86/Kconfig, arch/arm64/Kconfig and arch/arm64/include/asm/memory.h (KASAN_SHADOW_END).
std::uint64_t offset_of(const Kernel& kernel) {
  const auto built = kernel.info().number("VA_BITS");
  if (!built || *built < 36 || *built > 52) return kX86Offset;
  const auto bits = std::min<std::int64_t>(*built, 48);
  return (~0ull << (bits - 1)) - (1ull << 61);
}

}  // namespace

ShadowKind shadow_kind(std::uint8_t byte) {
  if (byte < kGranule) return ShadowKind::kAccessible;
  const ShadowMeaning* found = meaning(byte);
  return found ? found->kind : ShadowKind::kUnknown;
}

std::string shadow_words(std::uint8_t byte) {
  if (byte == 0) return "accessible";
  if (byte < kGranule) return fmt::format("the first {} bytes are accessible", byte);
  const ShadowMeaning* found = meaning(byte);
  return found ? std::string(found->words) : fmt::format("{:#x}, which has no meaning", byte);
}

std::optional<KasanShadow> KasanShadow::open(const Kernel& kernel) {
  if (!has_generic_kasan(kernel)) return std::nullopt;
  const KasanShadow shadow(kernel, offset_of(kernel));
  if (!shadow.is_proven()) return std::nullopt;
  return shadow;
}

// The kernel's text may be accessed; the shadow of its data holds nothing but what shadow can.
bool KasanShadow::is_proven() const {
  const auto text = kernel_->symbol("_stext");
  const auto data = kernel_->symbol("swapper_pg_dir");
  if (!text || !data) return false;
  Sample sample{};
  const auto bytes = std::as_writable_bytes(std::span(sample));
  if (!kernel_->memory().read(shadow_of(*text), bytes)) return false;
  if (std::ranges::any_of(sample, [](std::uint8_t byte) { return byte != 0; })) return false;
  if (!kernel_->memory().read(shadow_of(*data), bytes)) return false;
  return std::ranges::none_of(
      sample, [](std::uint8_t byte) { return shadow_kind(byte) == ShadowKind::kUnknown; });
}

std::optional<VirtAddr> KasanShadow::address_of(VirtAddr shadow) const {
  const std::uint64_t index = raw(shadow) - offset_;
  // Of the kernel's half: the upper half of all addresses.
  if (index >> 60 != 1) return std::nullopt;
  return VirtAddr{index << 3};
}

std::optional<std::uint8_t> KasanShadow::byte(VirtAddr address) const {
  if (raw(address) >> 63 == 0) return std::nullopt;
  const auto value = kernel_->memory().load<std::uint8_t>(shadow_of(address));
  return value ? std::optional(*value) : std::nullopt;
}

}  // namespace rig::analyzer
