// SPDX-License-Identifier: Apache-2.0
#include "kdump/vmcore_layout.h"

#include <elf.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "analyzer/core/limits.h"
#include "analyzer/core/notes.h"
#include "base/bytes.h"

namespace rig::kdump {
namespace {

constexpr std::uint64_t kPhysLimit = std::uint64_t{1} << 56;  // above any physical address
// Far above the memory of any guest of ours: there is a bit for every page below its end.
constexpr std::uint64_t kMostMemory = std::uint64_t{1} << 40;
constexpr std::uint64_t kSmallestPage = 4096, kLargestPage = 65536;

Result<Arch> arch_of(const Elf64_Ehdr& header) {
  const bool core = std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
                    header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_type == ET_CORE &&
                    header.e_phentsize == sizeof(Elf64_Phdr);
  if (!core) return fail(Blame::kRig, "the guest's vmcore is no 64-bit ELF core");
  if (header.e_machine == EM_X86_64) return Arch::kX86_64;
  if (header.e_machine == EM_AARCH64) return Arch::kArm64;
  return fail(Blame::kRig, "the guest's vmcore is of machine {}", header.e_machine);
}

Result<std::vector<Elf64_Phdr>> read_segments(const RangeReader& read, const Elf64_Ehdr& header) {
  const std::uint64_t size = std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
  RIG_ASSIGN(const std::string bytes, read_bytes(read, header.e_phoff, size));
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  if (!segments.empty()) std::memcpy(segments.data(), bytes.data(), bytes.size());
  return segments;
}

// Whole pages of one segment, or nothing.
std::optional<MemoryPiece> piece_of(const Elf64_Phdr& segment, std::uint64_t page_size) {
  if (segment.p_type != PT_LOAD || segment.p_paddr >= kPhysLimit ||
      segment.p_filesz >= kPhysLimit || segment.p_offset >= kPhysLimit) {
    return std::nullopt;
  }
  const std::uint64_t begin = align_up(segment.p_paddr, page_size);
  const std::uint64_t end = align_down(segment.p_paddr + segment.p_filesz, page_size);
  if (begin >= end) return std::nullopt;
  return MemoryPiece{PhysAddr{begin}, end - begin, segment.p_offset + (begin - segment.p_paddr)};
}

std::vector<MemoryPiece> pieces_of(const std::vector<Elf64_Phdr>& segments,
                                   std::uint64_t page_size) {
  std::vector<MemoryPiece> all;
  for (const Elf64_Phdr& segment : segments) {
    if (const auto piece = piece_of(segment, page_size)) all.push_back(*piece);
  }
  // Of two that begin at the same place the larger one: it covers the other.
  std::sort(all.begin(), all.end(), [](const MemoryPiece& a, const MemoryPiece& b) {
    return std::pair(raw(a.begin), b.size) < std::pair(raw(b.begin), a.size);
  });
  std::vector<MemoryPiece> pieces;
  std::uint64_t end = 0;
  for (MemoryPiece piece : all) {
    const std::uint64_t covered = end > raw(piece.begin) ? end - raw(piece.begin) : 0;
    if (covered >= piece.size) continue;
    piece.begin += covered;
    piece.offset += covered;
    piece.size -= covered;
    end = raw(piece.begin) + piece.size;
    pieces.push_back(piece);
  }
  return pieces;
}

Result<std::string> read_notes(const RangeReader& read, const std::vector<Elf64_Phdr>& segments) {
  std::string notes;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_NOTE) continue;
    if (segment.p_filesz > analyzer::kMaxNoteBytes - notes.size()) {
      return fail(Blame::kRig, "the notes of the guest's vmcore have {} bytes", segment.p_filesz);
    }
    RIG_ASSIGN(const std::string bytes, read_bytes(read, segment.p_offset, segment.p_filesz));
    notes += bytes;
  }
  return notes;
}

Result<std::uint64_t> page_size_of(const analyzer::Vmcoreinfo& info) {
  const auto text = info.value("PAGESIZE").value_or("");
  std::uint64_t size = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9' || size > kLargestPage) break;
    size = 10 * size + static_cast<std::uint64_t>(digit - '0');
  }
  if (std::has_single_bit(size) && size >= kSmallestPage && size <= kLargestPage) return size;
  return fail(Blame::kRig, "the VMCOREINFO of the guest's vmcore has the page size '{}'", text);
}

}  // namespace

Result<std::string> read_bytes(const RangeReader& read, std::uint64_t offset, std::uint64_t size) {
  std::string bytes(size, '\0');
  const FileRange range{offset, size};
  RIG_TRY(read(std::span(&range, 1), [&](std::uint64_t at, ByteView part) -> Status {
    const auto place = slice(std::as_bytes(std::span(bytes)), at - offset, part.size());
    if (!place) return fail(Blame::kRig, "bytes of the guest's vmcore that nobody asked for");
    as_text(part).copy(bytes.data() + (at - offset), part.size());
    return {};
  }));
  return bytes;
}

Result<VmcoreLayout> read_layout(const RangeReader& read) {
  VmcoreLayout layout;
  RIG_ASSIGN(const std::string head, read_bytes(read, 0, sizeof(Elf64_Ehdr)));
  const auto header = load<Elf64_Ehdr>(as_bytes(head));
  RIG_ASSIGN(layout.arch, arch_of(*header));
  RIG_ASSIGN(const auto segments, read_segments(read, *header));
  RIG_ASSIGN(layout.notes, read_notes(read, segments));
  analyzer::Notes notes = analyzer::parse_notes(as_bytes(layout.notes));
  if (!notes.vmcoreinfo) return fail(Blame::kRig, "the guest's vmcore has no VMCOREINFO");
  layout.cpus = std::move(notes.cpus);
  layout.info = analyzer::Vmcoreinfo(*notes.vmcoreinfo);
  RIG_ASSIGN(layout.page_size, page_size_of(layout.info));
  layout.memory = pieces_of(segments, layout.page_size);
  if (layout.memory.empty()) return fail(Blame::kRig, "the guest's vmcore has no memory");
  const MemoryPiece& last = layout.memory.back();
  if (raw(last.begin) + last.size > kMostMemory) {
    return fail(Blame::kRig, "the guest's vmcore has memory at {}", last.begin);
  }
  return layout;
}

}  // namespace rig::kdump
