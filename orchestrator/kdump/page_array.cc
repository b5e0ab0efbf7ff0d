// SPDX-License-Identifier: Apache-2.0
#include "kdump/page_array.h"

#include <bit>
#include <cstdint>

namespace rig::kdump {
namespace {

constexpr std::uint64_t kLargestStruct = 256;
// The flags that share a word with the address: SECTION_MAP_MASK of all kernels so far.
constexpr std::uint64_t kMapFlags = 0x3f;
constexpr std::uint64_t kHasMap = 0x2;  // SECTION_HAS_MEM_MAP

}  // namespace

Result<PageArray> PageArray::open(const analyzer::Vmcoreinfo& info,
                                  const analyzer::VirtMemory& memory, std::uint64_t page_size) {
  const auto roots = info.symbol("mem_section");
  const auto root_count = info.length("mem_section");
  const auto section_size = info.size("mem_section");
  const auto map_offset = info.offset("mem_section.section_mem_map");
  const auto section_bits = info.number("SECTION_SIZE_BITS");
  const auto memory_bits = info.number("MAX_PHYSMEM_BITS");
  const auto struct_size = info.size("page");
  if (!roots || !root_count || !section_size || !map_offset || !section_bits || !memory_bits ||
      !struct_size) {
    return fail_hint(Blame::kRig, "a dump level of 0 or 1 needs none of that",
                     "VMCOREINFO does not say where the kernel's struct pages are");
  }
  const unsigned page_shift = static_cast<unsigned>(std::countr_zero(page_size));
  const bool sane = *section_bits > page_shift && *section_bits < 48 &&
                    *memory_bits >= *section_bits && *memory_bits <= 56 && *section_size != 0 &&
                    *section_size <= kLargestStruct && *struct_size != 0 &&
                    *struct_size <= kLargestStruct && *map_offset < *section_size;
  if (!sane) return fail(Blame::kRig, "VMCOREINFO has impossible numbers of struct mem_section");

  PageArray array(memory);
  array.roots_ = *roots;
  array.root_count_ = *root_count;
  array.section_size_ = *section_size;
  array.map_offset_ = *map_offset;
  array.section_shift_ = static_cast<unsigned>(*section_bits) - page_shift;
  array.struct_size_ = *struct_size;
  // CONFIG_SPARSEMEM_EXTREME fills a page with sections: then there are fewer roots than sections.
  array.extreme_ = *root_count < std::uint64_t{1} << (*memory_bits - *section_bits);
  if (array.extreme_) array.sections_per_root_ = page_size / *section_size;
  return array;
}

std::optional<std::uint64_t> PageArray::read_map(std::uint64_t section) const {
  const std::uint64_t root = section / sections_per_root_;
  if (root >= root_count_) return std::nullopt;
  VirtAddr sections = roots_ + root * section_size_;
  if (extreme_) {
    const auto pointer = memory_->load<std::uint64_t>(roots_ + root * sizeof(std::uint64_t));
    if (!pointer || *pointer == 0) return std::nullopt;
    sections = VirtAddr{*pointer} + section % sections_per_root_ * section_size_;
  }
  const auto map = memory_->load<std::uint64_t>(sections + map_offset_);
  if (!map || (*map & kHasMap) == 0) return std::nullopt;
  return *map & ~kMapFlags;
}

// What is encoded is where the struct page of page 0 would be.
std::optional<VirtAddr> PageArray::at(std::uint64_t page) const {
  const auto map = read_map(page >> section_shift_);
  if (!map) return std::nullopt;
  return VirtAddr{*map} + page * struct_size_;
}

}  // namespace rig::kdump
