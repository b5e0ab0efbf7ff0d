// SPDX-License-Identifier: Apache-2.0
// Opens kdump-compressed cores as makedumpfile and QEMU (dump-guest-memory, virsh dump) write them.
#include <algorithm>

#include "analyzer/core/container.h"
#include "analyzer/core/kdump.h"
#include "analyzer/core/kdump_memory.h"
#include "analyzer/core/limits.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

// As much of [offset, offset + size) as the file has, at most `limit`.
std::vector<std::byte> read_area(const DumpFile& file, std::uint64_t offset, std::uint64_t size,
                                 std::uint64_t limit) {
  return file.read_up_to(offset, std::min(size, limit));
}

// makedumpfile copies utsname from the kernel; where it could not, and where QEMU says "Unknown"
// (dump/dump.c, of every arm64 guest), struct elf_prstatus tells.
Result<Arch> find_arch(const KdumpLayout& layout, const Notes& notes) {
  if (layout.machine == "x86_64") return Arch::kX86_64;
  if (layout.machine == "aarch64") return Arch::kArm64;
  if (!layout.machine.empty() && layout.machine != "Unknown") {
    return fail(Blame::kInput, "a kdump core of a {} machine; x86_64 and arm64 can be read",
                printable(layout.machine));
  }
  constexpr std::size_t kPrstatusX86 = 336;
  constexpr std::size_t kPrstatusArm64 = 392;
  for (const CpuNote& cpu : notes.cpus) {
    if (cpu.prstatus.size() == kPrstatusX86) return Arch::kX86_64;
    if (cpu.prstatus.size() == kPrstatusArm64) return Arch::kArm64;
  }
  return fail(Blame::kInput, "a kdump core that does not say of which architecture");
}

// The levels are bits: what makedumpfile -d was told to leave out.
std::string excluded_kinds(std::uint32_t level) {
  static constexpr std::string_view kKinds[] = {"zero", "cache", "private cache", "user", "free"};
  std::string text;
  for (std::size_t bit = 0; bit < std::size(kKinds); ++bit) {
    if ((level >> bit & 1) == 0) continue;
    if (!text.empty()) text += ", ";
    text += kKinds[bit];
  }
  return text.empty() ? "no kind named" : text;
}

void add_remarks(const KdumpLayout& layout, const KdumpMemory& memory,
                 std::vector<std::string>& remarks) {
  if (!memory.bitmaps_complete()) {
    remarks.push_back("the file is cut short: its page bitmaps are not complete");
  }
  if ((layout.status & kKdumpIncomplete) != 0) {
    remarks.push_back("makedumpfile marked the dump as incomplete: it ran out of space");
  }
  if (!memory.data_complete()) {
    remarks.push_back("the file is cut short: some of its pages are missing");
  }
  if (memory.ram_pages() > memory.dumped_pages()) {
    const std::uint64_t excluded = memory.ram_pages() - memory.dumped_pages();
    remarks.push_back(fmt::format("{} of {} pages were left out of the dump (level {}: {})",
                                  excluded, memory.ram_pages(), layout.dump_level,
                                  excluded_kinds(layout.dump_level)));
  }
}

}  // namespace

Result<Container> open_kdump(std::shared_ptr<const DumpFile> file) {
  RIG_ASSIGN(const KdumpLayout layout, read_kdump_layout(*file));
  Container container;
  if (layout.notes_offset != 0) {
    container.notes =
        parse_notes(read_area(*file, layout.notes_offset, layout.notes_size, kMaxNoteBytes));
  }
  if (layout.vmcoreinfo_offset != 0 && layout.vmcoreinfo_size != 0) {
    const auto text =
        read_area(*file, layout.vmcoreinfo_offset, layout.vmcoreinfo_size, kMaxVmcoreinfo);
    if (!text.empty()) container.notes.vmcoreinfo = std::string(as_text(text));
  }
  RIG_ASSIGN(container.arch, find_arch(layout, container.notes));
  auto memory = std::make_shared<KdumpMemory>(file, layout);
  add_remarks(layout, *memory, container.remarks);
  container.format = fmt::format("kdump-compressed ({})", to_string(memory->compression()));
  if (layout.split) container.part = memory;
  container.memory = std::move(memory);
  return container;
}

}  // namespace rig::analyzer
