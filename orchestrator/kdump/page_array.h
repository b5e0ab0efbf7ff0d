// SPDX-License-Identifier: Apache-2.0
// Where the struct page of a page is, from VMCOREINFO and struct mem_section alone: no types, no
// symbols beside. Kernels with SPARSEMEM, as all of x86_64 and arm64 are.
// Format: include/linux/mmzone.h, mm/sparse.c (sparse_encode_mem_map).
#pragma once

#include <cstdint>
#include <optional>

#include "analyzer/core/virt_memory.h"
#include "analyzer/core/vmcoreinfo.h"
#include "base/address.h"
#include "base/error.h"

namespace rig::kdump {

class PageArray {
 public:
  // `memory` must outlive it.
  static Result<PageArray> open(const analyzer::Vmcoreinfo& info,
                                const analyzer::VirtMemory& memory, std::uint64_t page_size);

  std::uint64_t struct_size() const { return struct_size_; }
  // The first page number behind the section of `page`: up to there the array is in one piece.
  std::uint64_t section_end(std::uint64_t page) const {
    return ((page >> section_shift_) + 1) << section_shift_;
  }
  // Nothing where the kernel has no struct page, or it is not to be had.
  std::optional<VirtAddr> at(std::uint64_t page) const;

 private:
  explicit PageArray(const analyzer::VirtMemory& memory) : memory_(&memory) {}
  std::optional<std::uint64_t> read_map(std::uint64_t section) const;

  const analyzer::VirtMemory* memory_;
  VirtAddr roots_{};
  bool extreme_ = false;  // roots are pointers to arrays of sections, else the sections themselves
  std::uint64_t root_count_ = 0, sections_per_root_ = 1;
  std::uint64_t section_size_ = 0, map_offset_ = 0;  // of struct mem_section
  unsigned section_shift_ = 0;                       // of page numbers
  std::uint64_t struct_size_ = 0;                    // of struct page
};

}  // namespace rig::kdump
