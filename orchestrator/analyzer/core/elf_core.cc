// SPDX-License-Identifier: Apache-2.0
// ELF cores as QEMU (dump-guest-memory), libvirt (dump --memory-only), /proc/vmcore and
// makedumpfile -E write them. Format: System V ABI, ch. 5; include/uapi/linux/elf.h.
#include <elf.h>

#include <algorithm>
#include <array>

#include "analyzer/core/container.h"
#include "analyzer/core/core.h"
#include "analyzer/core/limits.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kPhysLimit = std::uint64_t{1} << 56;  // above any physical address
constexpr std::uint64_t kMaxNoteName = 32;
constexpr std::uint64_t kMaxNote = 1 << 20;
constexpr unsigned kMaxNotes = 1 << 16;
// What QEMU writes behind the memory: the names of its sections.
constexpr std::uint64_t kMaxBehindMemory = 64;

class ElfMemory final : public DumpMemory {
 public:
  ElfMemory(std::shared_ptr<const DumpFile> file, std::vector<Extent> in_file,
            std::vector<Extent> in_memory)
      : file_(std::move(file)), in_file_(std::move(in_file)), in_memory_(std::move(in_memory)) {}

  Read<void> read(PhysAddr address, MutableBytes out) const override {
    std::uint64_t at = raw(address);
    while (!out.empty()) {
      const Extent* extent = in_file_.at_or_above(at);
      if (extent == nullptr || extent->begin > at) {
        return tl::unexpected(ReadFault{Absence::kNotPresent, at});
      }
      const std::uint64_t inside = at - extent->begin;
      const std::size_t count = std::min<std::uint64_t>(out.size(), extent->size - inside);
      if (!file_->read(extent->source + inside, out.first(count))) return damaged(at, *extent, out);
      out = out.subspan(count);
      at += count;
    }
    return {};
  }

  std::vector<PhysRange> ranges() const override { return merged(in_memory_); }
  std::vector<PhysRange> stored() const override { return merged(in_file_); }

 private:
  static std::vector<PhysRange> merged(const ExtentMap& map) {
    std::vector<PhysRange> result;
    for (const Extent& extent : map.all()) {
      if (!result.empty() && raw(result.back().begin) + result.back().size == extent.begin) {
        result.back().size += extent.size;
      } else {
        result.push_back({PhysAddr{extent.begin}, extent.size});
      }
    }
    return result;
  }

  // Finds how far the file goes, so that the fault names the first address that is really gone.
  Read<void> damaged(std::uint64_t at, const Extent& extent, MutableBytes out) const {
    const std::uint64_t start = extent.source + (at - extent.begin);
    std::uint64_t good = 0;
    while (good < out.size()) {
      const std::uint64_t count = file_->piece(start + good, out.size() - good);
      if (count == 0) break;
      good += count;
    }
    if (good >= out.size()) good = 0;  // it was there, and cannot be read
    return tl::unexpected(ReadFault{Absence::kDamaged, at + good});
  }

  std::shared_ptr<const DumpFile> file_;
  ExtentMap in_file_;    // physical address -> dump offset
  ExtentMap in_memory_;  // what the guest had, also where the dump has no bytes of it
};

std::string machine_name(unsigned machine) {
  struct Machine {
    unsigned id;
    std::string_view name;
  };
  static constexpr Machine kMachines[] = {
      {EM_386, "32-bit x86"},      {EM_ARM, "32-bit arm"}, {EM_PPC64, "ppc64"},
      {EM_RISCV, "riscv"},         {EM_S390, "s390x"},     {EM_MIPS, "mips"},
      {EM_LOONGARCH, "loongarch"},
  };
  for (const Machine& known : kMachines) {
    if (known.id == machine) return std::string(known.name);
  }
  return fmt::format("machine {}", machine);
}

Result<Arch> check_header(const Elf64_Ehdr& header) {
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return fail(Blame::kInput, "a 32-bit ELF file");
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) return fail(Blame::kInput, "a big-endian ELF file");
  if (header.e_type == ET_EXEC || header.e_type == ET_DYN || header.e_type == ET_REL) {
    return fail_hint(Blame::kInput, "give the vmcore instead",
                     "an ELF {}, not a core (vmlinux and modules are not needed here)",
                     header.e_type == ET_REL ? "object file" : "program");
  }
  if (header.e_type != ET_CORE) return fail(Blame::kInput, "an ELF file, but not a core");
  if (header.e_phentsize != sizeof(Elf64_Phdr)) {
    return fail(Blame::kInput, "a damaged ELF core: program headers of {} bytes",
                header.e_phentsize);
  }
  if (header.e_machine == EM_X86_64) return Arch::kX86_64;
  if (header.e_machine == EM_AARCH64) return Arch::kArm64;
  return fail(Blame::kInput, "a core of {}; x86_64 and arm64 can be read",
              machine_name(header.e_machine));
}

// With 0xffff segments and more the count lies in the first section header (PN_XNUM).
std::optional<std::uint64_t> segment_count(const DumpFile& file, const Elf64_Ehdr& header) {
  if (header.e_phnum != PN_XNUM) return header.e_phnum;
  const auto section = file.load<Elf64_Shdr>(header.e_shoff);
  if (!section) return std::nullopt;
  return section->sh_info;
}

struct Segments {
  std::vector<Extent> in_file;
  std::vector<Extent> in_memory;
  std::vector<Extent> notes;
  std::uint64_t missing = 0;  // bytes that the headers promise and the file does not have
  std::uint64_t refused = 0;  // segments that cannot be
};

void add_load(const DumpFile& file, const Elf64_Phdr& header, Segments& segments) {
  // /proc/kcore marks what has no physical address with -1.
  if (header.p_paddr == ~std::uint64_t{0}) return;
  const std::uint64_t size = std::max(header.p_memsz, header.p_filesz);
  if (header.p_paddr >= kPhysLimit || size >= kPhysLimit || header.p_offset >= kPhysLimit) {
    ++segments.refused;
    return;
  }
  segments.in_memory.push_back({header.p_paddr, size, 0});
  segments.in_file.push_back({header.p_paddr, header.p_filesz, header.p_offset});
  const std::uint64_t end = header.p_offset + header.p_filesz;
  if (end > file.size()) segments.missing += std::min(header.p_filesz, end - file.size());
}

Result<Segments> read_segments(const DumpFile& file, const Elf64_Ehdr& header) {
  const auto count = segment_count(file, header);
  if (!count || *count > file.file_size() / sizeof(Elf64_Phdr)) {
    return fail(Blame::kInput, "an ELF core cut short: its program headers are not in the file");
  }
  Segments segments;
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto segment = file.load<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment) {
      return fail(Blame::kInput,
                  "an ELF core cut short: program header {} of {} is not in the file", i, *count);
    }
    if (segment->p_type == PT_LOAD) add_load(file, *segment, segments);
    if (segment->p_type == PT_NOTE) {
      segments.notes.push_back({0, segment->p_filesz, segment->p_offset});
    }
  }
  return segments;
}

// How much further than the headers say the notes go on and the memory begins. QEMU 7.2 computes
// PT_NOTE's size and all offsets from the notes of CPU 0, but on arm64 each CPU's NT_ARM_SVE is as
// long as its own vectors. Notes and memory are written one after the other: the notes end where
// what is left is the memory.
std::uint64_t shift_behind_notes(const DumpFile& file, const Segments& segments) {
  if (segments.notes.size() != 1 || segments.in_file.empty()) return 0;
  const Extent& notes = segments.notes[0];
  const std::uint64_t declared = notes.source + notes.size;
  std::uint64_t begin = ~std::uint64_t{0}, end = 0;
  for (const Extent& each : segments.in_file) {
    begin = std::min(begin, each.source);
    end = std::max(end, each.source + each.size);
  }
  if (begin != declared || file.size() <= end) return 0;
  const std::uint64_t behind = file.size() - end;
  std::uint64_t at = notes.source, shift = 0;
  for (unsigned count = 0; count < kMaxNotes; ++count) {
    const auto words = file.load<std::array<std::uint32_t, 3>>(at);
    if (!words || (*words)[0] == 0 || (*words)[0] > kMaxNoteName || (*words)[1] > kMaxNote) break;
    const auto name_end = file.load<char>(at + sizeof *words + (*words)[0] - 1);
    if (name_end != '\0') break;
    at += sizeof *words + align_up((*words)[0], 4) + align_up((*words)[1], 4);
    if (at < declared || at - declared > behind) continue;
    if (behind - (at - declared) <= kMaxBehindMemory) shift = at - declared;
  }
  return shift;
}

void move_behind_notes(std::uint64_t shift, Segments& segments, Container& container) {
  segments.notes[0].size += shift;
  for (Extent& each : segments.in_file) each.source += shift;
  container.remarks.push_back(
      fmt::format("the headers' offsets are wrong, as QEMU writes them where CPUs have vectors "
                  "(SVE) of different lengths: memory is read {} bytes further on",
                  shift));
}

void read_notes(const DumpFile& file, const Segments& segments, Container& container) {
  std::vector<std::byte> bytes;
  for (const Extent& note : segments.notes) {
    const std::uint64_t size = std::min({note.size, kMaxNoteBytes, file.file_size()});
    if (bytes.size() + size > kMaxNoteBytes) break;
    const auto present = file.read_up_to(note.source, size);
    bytes.insert(bytes.end(), present.begin(), present.end());
    if (present.size() == size) continue;
    container.remarks.push_back("the notes are cut short");
  }
  container.notes = parse_notes(bytes);
}

}  // namespace

Result<Container> open_elf(std::shared_ptr<const DumpFile> file) {
  const auto header = file->load<Elf64_Ehdr>(0);
  if (!header) return fail(Blame::kInput, "an ELF file cut short");
  Container container;
  RIG_ASSIGN(container.arch, check_header(*header));
  container.format = "ELF";
  RIG_ASSIGN(Segments segments, read_segments(*file, *header));
  if (segments.in_memory.empty()) {
    return fail(Blame::kInput, "an ELF core without memory (no PT_LOAD segments)");
  }
  if (segments.missing != 0) {
    container.remarks.push_back(fmt::format("the file is cut short: {} of memory are missing",
                                            human_bytes(segments.missing)));
  }
  if (segments.refused != 0) {
    container.remarks.push_back(
        fmt::format("{} segments have impossible addresses and are not used", segments.refused));
  }
  if (const auto shift = shift_behind_notes(*file, segments); shift != 0) {
    move_behind_notes(shift, segments, container);
  }
  read_notes(*file, segments, container);
  container.memory = std::make_shared<ElfMemory>(std::move(file), std::move(segments.in_file),
                                                 std::move(segments.in_memory));
  return container;
}

}  // namespace rig::analyzer
