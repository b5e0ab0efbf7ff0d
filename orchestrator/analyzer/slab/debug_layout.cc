// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/debug_layout.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

// An enum has their numbers since cc61eb851461 (v6.9). Before they were constants that no type
// tells, the same from v2.6.22 on (include/linux/slab.h, mm/slub.c of 6.1).
std::uint64_t flag(const Kernel& kernel, std::string_view name, std::uint64_t constant) {
  const auto& types = kernel.types();
  if (!types || !types->size_of("_slab_flag_bits")) return constant;
  const auto bit = types->enumerator("_slab_flag_bits", name);
  return bit && *bit >= 0 && *bit < 64 ? std::uint64_t{1} << *bit : 0;
}

constexpr std::uint64_t kOrigSize = sizeof(std::uint32_t);  // of a kmalloc() request
constexpr std::uint64_t kPointer = sizeof(std::uint64_t);

}  // namespace

DebugFormat::Flags DebugFormat::flags_of(const Kernel& kernel) {
  return {flag(kernel, "_SLAB_RED_ZONE", 0x400),
          flag(kernel, "_SLAB_POISON", 0x800),
          flag(kernel, "_SLAB_STORE_USER", 0x1'0000),
          flag(kernel, "_SLAB_KMALLOC", 0x1000),
          flag(kernel, "_SLAB_TYPESAFE_BY_RCU", 0x8'0000),
          flag(kernel, "_SLAB_OBJECT_POISON", 0x8000'0000)};
}

DebugFormat::DebugFormat(const Kernel& kernel) : kernel_(&kernel), flags_(flags_of(kernel)) {
  const auto size_of = [&](std::string_view type) {
    return kernel.types() ? kernel.types()->size_of(type).value_or(0) : 0;
  };
  // Since d86bd1bece6f (v4.6).
  has_left_pad_ = kernel.member("kmem_cache.red_left_pad").has_value();
  track_size_ = size_of("track");
  alloc_meta_size_ = size_of("kasan_alloc_meta");
  free_meta_size_ = size_of("kasan_free_meta");
  alloc_meta_ = kernel.member("kmem_cache.kasan_info.alloc_meta_offset");
  free_meta_ = kernel.member("kmem_cache.kasan_info.free_meta_offset");
}

// The offset of each is 0 when there is none, but a free meta of offset 0 is in the object.
void DebugFormat::place_kasan(const SlabCache& cache, DebugLayout& layout) const {
  if (!alloc_meta_ || alloc_meta_size_ == 0) return;
  constexpr std::int32_t kNone = INT32_MAX;  // KASAN_NO_FREE_META
  const VirtMemory& memory = kernel_->memory();
  const auto fits = [&](std::int64_t offset, std::uint64_t size) {
    return offset >= static_cast<std::int64_t>(cache.in_use) &&
           static_cast<std::uint64_t>(offset) + size <= layout.end;
  };
  const auto alloc = memory.load<std::int32_t>(cache.at + alloc_meta_->offset);
  if (alloc && fits(*alloc, alloc_meta_size_)) {
    layout.kasan_alloc = static_cast<std::uint64_t>(*alloc);
    layout.padding = std::max(layout.padding, *layout.kasan_alloc + alloc_meta_size_);
  }
  const auto free = free_meta_ ? memory.load<std::int32_t>(cache.at + free_meta_->offset)
                               : Read<std::int32_t>(kNone);
  if (!free || *free == kNone || free_meta_size_ == 0) return;
  if (*free == 0 && layout.kasan_alloc && cache.object_size >= free_meta_size_) {
    layout.kasan_free = 0;
    layout.kasan_in_object = free_meta_size_;
  } else if (fits(*free, free_meta_size_)) {
    layout.kasan_free = static_cast<std::uint64_t>(*free);
    layout.padding = std::max(layout.padding, *layout.kasan_free + free_meta_size_);
  }
}

DebugLayout DebugFormat::layout(const SlabCache& cache) const {
  DebugLayout layout;
  if (cache.in_use < cache.object_size || cache.red_left >= cache.size) return {};
  layout.red_left = cache.red_left;
  layout.object_size = cache.object_size;
  layout.in_use = cache.in_use;
  layout.end = cache.size - cache.red_left;
  const bool outside = cache.free_pointer >= cache.in_use;
  layout.padding = cache.in_use + (outside ? kPointer : 0);
  if (layout.padding > layout.end) return {};
  layout.typesafe_by_rcu = (cache.flags & flags_.typesafe_by_rcu) != 0;

  const bool red = (cache.flags & flags_.red_zone) != 0;
  if (has_left_pad_ && red != (cache.red_left != 0)) return {};
  layout.red_zone = red;
  layout.poison = (cache.flags & flags_.poison) != 0;
  layout.object_poison = layout.poison && (cache.flags & flags_.object_poison) != 0;
  // Poison would overwrite a free pointer within the object.
  if (layout.object_poison && (!outside || cache.has_constructor)) return {};

  if ((cache.flags & flags_.store_user) != 0) {
    const auto behind = layout.padding + 2 * track_size_;
    if (track_size_ == 0 || behind > layout.end) return {};
    layout.tracks = layout.padding;
    layout.padding = behind;
    // Since 6edf2576a6cc (v6.1) what was asked for comes next. Older kernels have padding there,
    // which is then not looked at.
    if ((cache.flags & flags_.kmalloc) != 0) {
      layout.padding = std::min(layout.padding + kOrigSize, layout.end);
    }
  }
  place_kasan(cache, layout);
  return layout;
}

}  // namespace rig::analyzer
