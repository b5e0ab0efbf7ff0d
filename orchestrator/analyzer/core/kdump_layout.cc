// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "analyzer/core/kdump.h"

namespace rig::analyzer {
namespace {

constexpr std::uint32_t kNewestVersion = 6;
constexpr std::uint32_t kSmallestBlock = 4096;
constexpr std::uint32_t kLargestBlock = 65536;

constexpr std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) {
  return value / by + (value % by != 0 ? 1 : 0);
}

// Fields that a version does not have yet hold whatever was in the block.
void apply_sub_header(const KdumpSubHeader& sub, KdumpLayout& layout) {
  if (layout.version >= 1) layout.dump_level = sub.dump_level;
  if (layout.version >= 2) {
    layout.split = sub.split != 0;
    layout.first_page = sub.start_pfn;
    layout.end_page = sub.end_pfn;
  }
  if (layout.version >= 3) {
    layout.vmcoreinfo_offset = sub.vmcoreinfo_offset;
    layout.vmcoreinfo_size = sub.vmcoreinfo_size;
  }
  if (layout.version >= 4) {
    layout.notes_offset = sub.notes_offset;
    layout.notes_size = sub.notes_size;
  }
  if (layout.version >= 6) {
    layout.page_count = sub.max_mapnr_64;
    layout.first_page = sub.start_pfn_64;
    layout.end_page = sub.end_pfn_64;
  }
}

Status check_block_size(std::uint32_t size) {
  if (std::has_single_bit(size) && size >= kSmallestBlock && size <= kLargestBlock) return {};
  return fail(Blame::kInput, "a damaged kdump core: blocks of {} bytes", size);
}

}  // namespace

Result<KdumpLayout> read_kdump_layout(const DumpFile& file) {
  const auto main = file.load<KdumpMainHeader>(0);
  if (!main) return fail(Blame::kInput, "a kdump core cut short in its header");
  RIG_TRY(check_block_size(main->block_size));
  const auto sub = file.load<KdumpSubHeader>(main->block_size);
  if (!sub) return fail(Blame::kInput, "a kdump core cut short in its sub-header");

  KdumpLayout layout;
  layout.version = main->version;
  if (layout.version > kNewestVersion) {
    return fail_hint(Blame::kInput, "versions 0 to 6 are known",
                     "a kdump core of version {}, which we do not know", layout.version);
  }
  layout.status = main->status;
  layout.block_size = main->block_size;
  layout.page_count = main->max_mapnr;
  const std::string_view machine(main->machine, sizeof main->machine);
  layout.machine = machine.substr(0, machine.find('\0'));
  apply_sub_header(*sub, layout);

  const std::uint64_t block = layout.block_size;
  layout.bitmap_offset = block * (1 + std::uint64_t{main->sub_header_blocks});
  layout.descriptors_offset = layout.bitmap_offset + block * main->bitmap_blocks;
  // Early writers had only the one bitmap, of the pages that were dumped.
  const std::uint64_t needed = divide_up(divide_up(layout.page_count, 8), block);
  layout.two_bitmaps = main->bitmap_blocks / 2 >= needed;
  layout.bitmap_size = block * (layout.two_bitmaps ? main->bitmap_blocks / 2 : main->bitmap_blocks);
  if (!layout.split) {
    layout.first_page = 0;
    layout.end_page = layout.page_count;
  }
  layout.end_page = std::min(layout.end_page, layout.page_count);
  if (layout.first_page > layout.end_page) {
    return fail(Blame::kInput, "a damaged kdump core: a part from page {:#x} to page {:#x}",
                layout.first_page, layout.end_page);
  }
  return layout;
}

}  // namespace rig::analyzer
