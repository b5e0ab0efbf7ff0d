// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/swaps.h"

namespace rig::analyzer {
namespace {

constexpr std::uint32_t kMaxSwapFiles = 32;        // MAX_SWAPFILES
constexpr std::uint64_t kUsed = 1, kWritable = 2;  // SWP_USED, SWP_WRITEOK
constexpr std::uint64_t kFileType = 0170000, kBlock = 0060000;

std::optional<SwapFacts> read_area(const PathReader& paths, VirtAddr at, std::uint64_t page_size) {
  const FieldReader& fields = paths.fields();
  const auto flags = fields.value(at, "swap_info_struct.flags");
  if (!flags || (*flags & kUsed) == 0 || (*flags & kWritable) == 0) return std::nullopt;
  SwapFacts facts;
  facts.at = at;
  facts.bytes = fields.value(at, "swap_info_struct.pages").value_or(0) * page_size;
  // An atomic counter since v6.13.
  facts.used =
      fields.first_value(at, "swap_info_struct.inuse_pages.counter", "swap_info_struct.inuse_pages")
          .value_or(0) *
      page_size;
  facts.priority = fields.number(at, "swap_info_struct.prio").value_or(0);
  const auto file = fields.pointer(at, "swap_info_struct.swap_file");
  const auto place = file ? fields.place(*file, "file.f_path") : std::nullopt;
  const auto path = place ? paths.path_at(*place) : std::nullopt;
  facts.path = path ? paths.name(*path) : "<unreadable>";
  const auto inode = path ? paths.inode(path->dentry) : std::nullopt;
  const auto mode = inode ? fields.value(*inode, "inode.i_mode") : std::nullopt;
  facts.partition = mode && (*mode & kFileType) == kBlock;
  return facts;
}

}  // namespace

std::optional<std::vector<SwapFacts>> swap_facts(const PathReader& paths, std::uint64_t page_size,
                                                 std::vector<std::string>& problems) {
  const Kernel& kernel = paths.fields().kernel();
  std::vector<SwapFacts> areas;
  const auto count = kernel.variable<std::uint32_t>("nr_swapfiles");
  const auto total = kernel.variable("total_swap_pages");
  const auto table = kernel.symbol("swap_info");
  if (count == 0u || (!count && total == 0u)) return areas;
  if (!table) {
    problems.emplace_back("swap: the table of swap areas was not found");
    return std::nullopt;
  }
  if (count > kMaxSwapFiles) {
    problems.push_back(
        fmt::format("swap: the kernel claims {} areas, it can have {}", *count, kMaxSwapFiles));
  }
  for (std::uint32_t i = 0; i < std::min(count.value_or(kMaxSwapFiles), kMaxSwapFiles); ++i) {
    const auto at = kernel.memory().load<std::uint64_t>(*table + i * sizeof(std::uint64_t));
    // Entries are never taken back: without nr_swapfiles the first empty one ends the table.
    if (!count && at == 0u) break;
    if (!at) {
      problems.push_back(fmt::format("swap: area {} is {}", i, to_string(at.error().why)));
    } else if (auto area = *at != 0 ? read_area(paths, VirtAddr{*at}, page_size) : std::nullopt) {
      areas.push_back(*std::move(area));
    }
  }
  return areas;
}

}  // namespace rig::analyzer
