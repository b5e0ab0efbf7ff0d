// SPDX-License-Identifier: Apache-2.0
#include "kdump/save_vmcore.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/arch/architecture.h"
#include "analyzer/core/page_bitmap.h"
#include "base/text.h"
#include "kdump/dump_level.h"
#include "kdump/kdump_file.h"
#include "kdump/page_filter.h"
#include "kdump/vmcore_layout.h"
#include "kdump/vmcore_memory.h"

namespace rig::kdump {
namespace {

constexpr std::uint64_t kProgressStep = std::uint64_t{1} << 20;  // bytes

// struct new_utsname of the kernel that crashed; as much as VMCOREINFO has of it where it cannot be
// read.
void put_uts(const VmcoreLayout& layout, const analyzer::VirtMemory& memory, KdumpHead& head) {
  constexpr std::uint64_t kField = 65;  // __NEW_UTS_LEN + 1
  head.uts[0] = "Linux";
  head.uts[2] = std::string(layout.info.value("OSRELEASE").value_or(""));
  head.uts[4] = layout.arch == Arch::kX86_64 ? "x86_64" : "aarch64";
  const auto names = layout.info.symbol("init_uts_ns");
  const auto offset = layout.info.offset("uts_namespace.name");
  if (!names || !offset) return;
  for (std::size_t i = 0; i < std::size(head.uts); ++i) {
    const std::string text = memory.c_string(*names + *offset + i * kField, kField);
    if (!text.empty() && i != 4) head.uts[i] = text;
  }
}

// Where VMCOREINFO's text lies within the notes: readers look there directly.
void put_vmcoreinfo(const VmcoreLayout& layout, KdumpHead& head) {
  const std::string& text = layout.info.text();
  const std::size_t at = head.notes.find(text);
  if (at == std::string::npos) return;
  head.vmcoreinfo_offset = at;
  head.vmcoreinfo_size = text.size();
}

std::uint64_t crash_time(const analyzer::Vmcoreinfo& info) {
  const std::string_view text = info.value("CRASHTIME").value_or("");
  std::uint64_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return seconds;
}

KdumpHead head_of(const VmcoreLayout& layout, const analyzer::VirtMemory& memory,
                  std::uint32_t level) {
  KdumpHead head;
  put_uts(layout, memory, head);
  head.seconds = crash_time(layout.info);
  head.page_size = static_cast<std::uint32_t>(layout.page_size);
  head.dump_level = level;
  head.cpus = static_cast<std::uint32_t>(layout.cpus.size());
  const char* const base = layout.arch == Arch::kX86_64 ? "phys_base" : "PHYS_OFFSET";
  head.phys_base = static_cast<std::uint64_t>(layout.info.number(base).value_or(0));
  head.notes = layout.notes;
  put_vmcoreinfo(layout, head);
  return head;
}

// The wanted pages of a piece, as parts of the file.
std::vector<FileRange> ranges_of(const MemoryPiece& piece, const analyzer::PageBitmap& wanted,
                                 std::uint64_t page_size) {
  std::vector<FileRange> ranges;
  const std::uint64_t first = raw(piece.begin) / page_size;
  const std::uint64_t end = first + piece.size / page_size;
  for (std::uint64_t page = wanted.next(first, true); page < end;) {
    const std::uint64_t stop = std::min(end, wanted.next(page, false));
    ranges.push_back({piece.offset + (page - first) * page_size, (stop - page) * page_size});
    page = wanted.next(stop, true);
  }
  return ranges;
}

// Puts pages together from what arrives of them, and tells zeros: what does not arrive. They share
// one page of the file at every level, as makedumpfile's do: for `crash` a page that is not there
// is no page of zeros.
class PageSink {
 public:
  PageSink(KdumpFile& file, const analyzer::PageBitmap& wanted, std::uint64_t page_size)
      : file_(file), wanted_(wanted), page_(page_size) {}

  Status take(std::uint64_t address, ByteView bytes) {
    received_ += bytes.size();
    while (!bytes.empty()) {
      const std::uint64_t number = address / page_.size();
      const std::uint64_t inside = address % page_.size();
      const std::size_t count = std::min<std::uint64_t>(bytes.size(), page_.size() - inside);
      if (number != open_) RIG_TRY(begin(number));
      std::memcpy(page_.data() + inside, bytes.data(), count);
      bytes = bytes.subspan(count);
      address += count;
    }
    return {};
  }

  // All pages below `end` have been.
  Status finish(std::uint64_t end) {
    if (open_) RIG_TRY(store());
    return pass_zeros(end);
  }
  std::uint64_t received() const { return received_; }
  std::uint64_t stored() const { return stored_; }

 private:
  Status begin(std::uint64_t number) {
    if (open_) RIG_TRY(store());
    RIG_TRY(pass_zeros(number));
    std::fill(page_.begin(), page_.end(), std::byte{0});
    open_ = number;
    return {};
  }
  Status store() {
    next_ = *open_ + 1;
    open_.reset();
    ++stored_;
    return file_.add(next_ - 1, page_);
  }
  Status pass_zeros(std::uint64_t end) {
    for (; next_ < end; ++next_) {
      next_ = wanted_.next(next_, true);
      if (next_ >= end) break;
      ++stored_;
      RIG_TRY(file_.add_zeros(next_));
    }
    next_ = std::max(next_, end);
    return {};
  }

  KdumpFile& file_;
  const analyzer::PageBitmap& wanted_;
  std::vector<std::byte> page_;
  std::optional<std::uint64_t> open_;  // the page that page_ holds
  std::uint64_t next_ = 0;
  std::uint64_t received_ = 0, stored_ = 0;
};

// What was wrong with the reading, where that is why something could not be done.
Status explain(Status status, const VmcoreMemory& memory) {
  if (memory.error()) return tl::unexpected(*memory.error());
  return status;
}

Status receive(const RangeReader& read, const VmcoreLayout& layout,
               const analyzer::PageBitmap& wanted, PageSink& sink, const ProgressSink& progress) {
  const double total = static_cast<double>(wanted.count() * layout.page_size);
  std::uint64_t told = 0;
  for (const MemoryPiece& piece : layout.memory) {
    const auto take = [&](std::uint64_t offset, ByteView bytes) -> Status {
      const std::uint64_t address = raw(piece.begin) + (offset - piece.offset);
      RIG_TRY(sink.take(address, bytes));
      if (sink.received() - told < kProgressStep) return {};
      told = sink.received();
      const auto done = static_cast<double>(wanted.rank(address / layout.page_size));
      tell(progress, {"kdump", done * static_cast<double>(layout.page_size) / total,
                      human_bytes(sink.received())});
      return {};
    };
    RIG_TRY(read(ranges_of(piece, wanted, layout.page_size), take));
  }
  return {};
}

}  // namespace

Result<SavedCore> save_vmcore(const RangeReader& read, const fs::path& path, std::uint32_t level,
                              const ProgressSink& progress) {
  tell(progress, {"kdump", std::nullopt, "what there is"});
  RIG_ASSIGN(const VmcoreLayout layout, read_layout(read));
  const VmcoreMemory memory(layout, read);
  auto kernel = analyzer::architecture(layout.arch).open_kernel(memory, layout.info, layout.cpus);
  if (!kernel) {
    RIG_TRY(explain({}, memory));
    return wrap("the guest's vmcore", std::move(kernel).error());
  }
  const PageSet ram = all_pages(layout);
  PageSet pages = ram;
  RIG_TRY(explain(exclude_pages(layout, *kernel->memory, level, pages), memory));
  const analyzer::PageBitmap wanted = pages.view();
  const KdumpHead head = head_of(layout, *kernel->memory, level);
  RIG_TRY(explain({}, memory));
  RIG_ASSIGN(KdumpFile file, KdumpFile::create(path, head, ram, wanted.count()));
  PageSink sink(file, wanted, layout.page_size);
  RIG_TRY(receive(read, layout, wanted, sink, progress));
  RIG_TRY(sink.finish(wanted.size()));
  RIG_TRY(file.finish());
  return SavedCore{.pages = ram.view().count(),
                   .wanted = wanted.count(),
                   .stored = sink.stored(),
                   .received = sink.received()};
}

}  // namespace rig::kdump
