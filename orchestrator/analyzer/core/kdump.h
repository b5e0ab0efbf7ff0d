// SPDX-License-Identifier: Apache-2.0
// The headers of the kdump-compressed format: block 0 the main header, block 1 the sub-header with
// notes, then two bitmaps, then a descriptor per page that bitmap 2 has, then the pages' data.
// Source: makedumpfile IMPLEMENTATION, diskdump_mod.h; QEMU include/sysemu/dump.h. 64-bit layout.
#pragma once

#include <cstdint>

#include "analyzer/core/dump_file.h"
#include "base/arch.h"

namespace rig::analyzer {

struct KdumpMainHeader {
  char signature[8];  // "KDUMP   "
  std::uint32_t version;
  char sysname[65], nodename[65], release[65], uts_version[65], machine[65], domain[65];
  char pad[6];
  std::uint64_t seconds, microseconds;
  std::uint32_t status;      // Compression flags, kKdumpIncomplete
  std::uint32_t block_size;  // the page size of who wrote it: makedumpfile 4 KiB, QEMU/arm64 64 KiB
  std::uint32_t sub_header_blocks;
  std::uint32_t bitmap_blocks;  // of both bitmaps together
  std::uint32_t max_mapnr;      // since version 6: see the sub-header
  std::uint32_t ram_blocks, device_blocks, written_blocks, current_cpu, cpus;
};
static_assert(sizeof(KdumpMainHeader) == 464);

struct KdumpSubHeader {
  std::uint64_t phys_base;   // wrong from QEMU when negative: VMCOREINFO has the right one
  std::uint32_t dump_level;  // since version 1
  std::uint32_t split;       // since version 2, as the next two
  std::uint64_t start_pfn, end_pfn;
  std::uint64_t vmcoreinfo_offset, vmcoreinfo_size;      // since version 3
  std::uint64_t notes_offset, notes_size;                // since version 4
  std::uint64_t erase_info_offset, erase_info_size;      // since version 5
  std::uint64_t start_pfn_64, end_pfn_64, max_mapnr_64;  // since version 6
};
static_assert(sizeof(KdumpSubHeader) == 104);

struct KdumpPageDescriptor {
  std::uint64_t offset;
  std::uint32_t size;
  std::uint32_t flags;       // a Compression
  std::uint64_t page_flags;  // unused
};
static_assert(sizeof(KdumpPageDescriptor) == 24);

inline constexpr std::uint32_t kKdumpIncomplete = 0x8;
// The dump level at which what was left out is known: makedumpfile -d 1.
inline constexpr std::uint32_t kKdumpOnlyZeros = 1;

// What the headers say, checked and with the versions' differences ironed out.
struct KdumpLayout {
  std::uint32_t version = 0;
  std::uint32_t status = 0;
  std::uint32_t block_size = 0;
  std::uint32_t dump_level = 0;
  std::uint64_t page_count = 0;  // page numbers are below this
  std::uint64_t first_page = 0;  // of this part of a split dump, else everything
  std::uint64_t end_page = 0;
  bool split = false;
  std::uint64_t bitmap_offset = 0;
  std::uint64_t bitmap_size = 0;  // of each of the two, in bytes
  bool two_bitmaps = true;
  std::uint64_t descriptors_offset = 0;
  std::uint64_t vmcoreinfo_offset = 0, vmcoreinfo_size = 0;
  std::uint64_t notes_offset = 0, notes_size = 0;
  std::string machine;
};

Result<KdumpLayout> read_kdump_layout(const DumpFile& file);

}  // namespace rig::analyzer
