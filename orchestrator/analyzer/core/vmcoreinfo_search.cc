// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/vmcoreinfo_search.h"

#include <array>
#include <cstring>

#include "analyzer/core/vmcoreinfo.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kWindow = 256 << 10;

// The note: sizes of name (11) and descriptor, type 0, "VMCOREINFO", padding, then the text.
constexpr std::string_view kName("VMCOREINFO\0", 11);
constexpr std::uint64_t kNameOffset = 12;
constexpr std::uint64_t kTextOffset = 24;
constexpr std::string_view kTextStart = "OSRELEASE=";
constexpr std::uint64_t kSmallestText = 128;
constexpr std::uint64_t kLargestText = 256 << 10;

// The size of the text when `bytes` begin with the note's header.
std::optional<std::uint64_t> match_header(ByteView bytes) {
  if (bytes.size() < kTextOffset + kTextStart.size()) return std::nullopt;
  if (as_text(bytes.subspan(kNameOffset, kName.size())) != kName) return std::nullopt;
  if (as_text(bytes.subspan(kTextOffset, kTextStart.size())) != kTextStart) return std::nullopt;
  const auto descriptor_size = load<std::uint32_t>(bytes, 4);
  if (load<std::uint32_t>(bytes, 0) != kName.size() || load<std::uint32_t>(bytes, 8) != 0) {
    return std::nullopt;
  }
  if (*descriptor_size < kSmallestText || *descriptor_size > kLargestText) return std::nullopt;
  return *descriptor_size;
}

// Where the kernel's own image lies in physical memory: VMCOREINFO says by how much it is off.
std::optional<PhysAddr> image_address(const Vmcoreinfo& info, Arch arch, VirtAddr address) {
  if (arch == Arch::kX86_64) {
    constexpr VirtAddr kImage{0xffffffff80000000};  // __START_KERNEL_map
    const auto base = info.number("phys_base");
    if (!base) return std::nullopt;
    return PhysAddr{(address - kImage) + static_cast<std::uint64_t>(*base)};
  }
  const auto offset = info.number("kimage_voffset");
  if (!offset) return std::nullopt;
  return PhysAddr{raw(address) - static_cast<std::uint64_t>(*offset)};
}

// struct new_utsname: six fields of 65 bytes; the release is the third.
bool is_proven(const PhysMemory& memory, Arch arch, const Vmcoreinfo& info) {
  constexpr std::uint64_t kRelease = 2 * 65;
  const auto symbol = info.symbol("init_uts_ns");
  const auto release = info.value("OSRELEASE");
  if (!symbol || !release || release->size() >= 65) return false;
  // A member of VMCOREINFO since v5.11; before that uts_namespace began with a kref of 4 bytes.
  const std::uint64_t name = info.offset("uts_namespace.name").value_or(4);
  const auto address = image_address(info, arch, *symbol + name + kRelease);
  if (!address) return false;
  std::array<std::byte, 65> field{};
  if (!memory.read(*address, field)) return false;
  const std::string_view text = as_text(field);
  return text.substr(0, text.find('\0')) == *release;
}

class Search {
 public:
  Search(const DumpMemory& memory, Arch arch, std::uint64_t budget)
      : memory_(memory), arch_(arch), budget_(budget), ranges_(memory.stored()) {}

  std::optional<FoundVmcoreinfo> run() {
    if (!page_starts() && !best_) every_byte();
    return std::move(best_);
  }

 private:
  // Each returns true when a proven note ended the search.
  bool page_starts() {
    std::uint64_t budget = budget_;
    for (const PhysRange& range : ranges_) {
      const std::uint64_t end = raw(range.begin) + range.size;
      for (std::uint64_t at = align_up(raw(range.begin), kPage); at < end; at += kPage) {
        if (budget < kPage) return false;
        budget -= kPage;
        std::array<std::byte, kTextOffset + kTextStart.size()> start{};
        if (!memory_.read(PhysAddr{at}, start)) continue;
        if (const auto size = match_header(start); size && take(PhysAddr{at}, *size)) return true;
      }
    }
    return false;
  }

  bool every_byte() {
    std::uint64_t budget = budget_;
    std::vector<std::byte> window(kWindow);
    for (const PhysRange& range : ranges_) {
      const std::uint64_t end = raw(range.begin) + range.size;
      for (std::uint64_t at = raw(range.begin); at < end;) {
        const std::uint64_t size = std::min<std::uint64_t>(window.size(), end - at);
        if (budget < size) return false;
        budget -= size;
        const MutableBytes bytes = MutableBytes(window).first(size);
        const auto got = memory_.read(PhysAddr{at}, bytes);
        const std::uint64_t good = got ? size : got.error().address - at;
        if (look_through(PhysAddr{at}, bytes.first(good))) return true;
        // A header that this window cuts begins the next one.
        const std::uint64_t header = kTextOffset + kTextStart.size();
        if (!got) {
          at = align_down(at + good, kPage) + kPage;
        } else {
          at += at + size < end && size > header ? size - header : size;
        }
      }
    }
    return false;
  }

  bool look_through(PhysAddr start, ByteView bytes) {
    const std::string_view text = as_text(bytes);
    for (std::size_t found = text.find(kName); found != std::string_view::npos;
         found = text.find(kName, found + 1)) {
      if (found < kNameOffset) continue;
      const std::size_t header = found - kNameOffset;
      const auto size = match_header(bytes.subspan(header));
      if (size && take(start + header, *size)) return true;
    }
    return false;
  }

  bool take(PhysAddr at, std::uint64_t size) {
    std::string text(size, '\0');
    if (!memory_.read(at + kTextOffset, std::as_writable_bytes(std::span(text)))) return false;
    const Vmcoreinfo info(text);
    if (info.text().find("\nSYMBOL(") == std::string::npos || !info.value("PAGESIZE")) return false;
    const bool proven = is_proven(memory_, arch_, info);
    if (proven || !best_) best_ = FoundVmcoreinfo{info.text(), at, proven};
    return proven;
  }

  const DumpMemory& memory_;
  Arch arch_;
  std::uint64_t budget_;
  std::vector<PhysRange> ranges_;
  std::optional<FoundVmcoreinfo> best_;
};

}  // namespace

std::optional<FoundVmcoreinfo> search_vmcoreinfo(const DumpMemory& memory, Arch arch,
                                                 std::uint64_t budget) {
  return Search(memory, arch, budget).run();
}

}  // namespace rig::analyzer
