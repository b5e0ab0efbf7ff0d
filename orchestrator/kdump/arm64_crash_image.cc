// SPDX-License-Identifier: Apache-2.0
#include "kdump/arm64_crash_image.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/text.h"
#include "kdump/device_tree.h"

namespace rig::kdump {
namespace {

constexpr std::uint64_t kPage = 64 << 10;           // the largest that a kernel may have
constexpr std::uint64_t kKernelAlign = 2ull << 20;  // MIN_KIMG_ALIGN
constexpr std::uint64_t kLargestNote = 1ull << 20;

struct Range {
  std::uint64_t begin = 0, end = 0;  // one past the last
};

// With or without its "0x".
std::optional<std::uint64_t> hex(std::string_view text) {
  text = trim(text);
  return parse_u64(text.starts_with("0x") ? std::string(text) : fmt::format("0x{}", text));
}

// The ranges of that name in /proc/iomem, at any depth: "  7a000000-83ffffff : Crash kernel".
std::vector<Range> ranges_named(std::string_view iomem, std::string_view name) {
  std::vector<Range> ranges;
  for (const std::string& line : split(iomem, '\n')) {
    const auto colon = line.find(" : ");
    const auto dash = line.find('-');
    if (colon == std::string::npos || dash > colon || line.substr(colon + 3) != name) continue;
    const auto begin = hex(std::string_view(line).substr(0, dash));
    const auto last = hex(std::string_view(line).substr(dash + 1, colon - dash - 1));
    if (begin && last && *begin <= *last) ranges.push_back({*begin, *last + 1});
  }
  return ranges;
}

// `from` without `hole`.
std::vector<Range> without(const std::vector<Range>& from, const Range& hole) {
  std::vector<Range> rest;
  for (const Range& range : from) {
    const Range below{range.begin, std::min(range.end, hole.begin)};
    const Range above{std::max(range.begin, hole.end), range.end};
    if (below.begin < below.end) rest.push_back(below);
    if (above.begin < above.end) rest.push_back(above);
  }
  return rest;
}

template <typename T>
void append_value(std::string& out, const T& value) {
  out += as_text(std::as_bytes(std::span(&value, 1)));
}

Elf64_Phdr core_segment(std::uint32_t type, const Range& memory) {
  Elf64_Phdr header{};
  header.p_type = type;
  header.p_offset = header.p_paddr = memory.begin;  // fs/proc/vmcore.c reads there
  header.p_filesz = header.p_memsz = memory.end - memory.begin;
  return header;
}

std::optional<Range> note_at(std::string_view address, std::optional<std::uint64_t> size) {
  const auto begin = hex(address);
  if (!begin || !size || *size == 0 || *size > kLargestNote) return std::nullopt;
  return Range{*begin, *begin + *size};
}

Result<std::vector<Range>> notes_of(const CrashFacts& facts) {
  std::vector<Range> notes;
  for (const CrashFacts::Cpu& cpu : facts.cpus) {
    const auto note = note_at(cpu.notes, parse_u64(trim(cpu.size)));
    if (!note) return fail(Blame::kRig, "the guest's crash_notes are '{}'", printable(cpu.notes));
    notes.push_back(*note);
  }
  const auto words = split(trim(facts.vmcoreinfo), ' ');
  const auto info = words.size() == 2 ? note_at(words[0], hex(words[1])) : std::nullopt;
  if (!info) {
    return fail(Blame::kRig, "the guest's /sys/kernel/vmcoreinfo is '{}'",
                printable(facts.vmcoreinfo));
  }
  notes.push_back(*info);
  return notes;
}

// What becomes the header of /proc/vmcore.
std::string core_header(const std::vector<Range>& notes, const std::vector<Range>& memory) {
  Elf64_Ehdr header{};
  std::copy_n(ELFMAG, SELFMAG, header.e_ident);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_CORE;
  header.e_machine = EM_AARCH64;
  header.e_version = EV_CURRENT;
  header.e_phoff = header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(notes.size() + memory.size());
  std::string out;
  append_value(out, header);
  for (const Range& note : notes) append_value(out, core_segment(PT_NOTE, note));
  for (const Range& range : memory) append_value(out, core_segment(PT_LOAD, range));
  return out;
}

// machine_kexec() enters with x0 = 0, and the kernel wants the tree there; x1 to x3 are zero.
std::string entry_stub(std::uint64_t tree, std::uint64_t kernel) {
  constexpr std::uint32_t kCode[] = {
      0x5800'00c0,  // ldr x0, tree
      0x5800'00e4,  // ldr x4, kernel
      0xaa1f'03e1,  // mov x1, xzr
      0xaa1f'03e2,  // mov x2, xzr
      0xaa1f'03e3,  // mov x3, xzr
      0xd61f'0080,  // br x4
  };
  std::string out;
  append_value(out, kCode);
  append_value(out, tree);
  append_value(out, kernel);
  return out;
}

// Takes one piece after the other from the reserved memory.
class Room {
 public:
  explicit Room(const Range& memory) : memory_(memory), next_(memory.begin) {}

  std::optional<CrashPlace> take(std::uint64_t size, std::uint64_t alignment) {
    const std::uint64_t begin = align_up(next_, alignment);
    const std::uint64_t whole = align_up(size, kPage);
    if (begin < next_ || begin > memory_.end || whole < size || whole > memory_.end - begin) {
      return std::nullopt;
    }
    next_ = begin + whole;
    return CrashPlace{begin, whole};
  }

 private:
  Range memory_;
  std::uint64_t next_;
};

// Of the header of an Image (Documentation/arm64/booting.rst).
struct KernelHeader {
  std::uint64_t text_offset, image_size;
};
Result<KernelHeader> kernel_header(const CrashKernelFiles& files) {
  const auto magic = load<std::uint32_t>(as_bytes(files.kernel_head), 56);
  const auto offset = load<std::uint64_t>(as_bytes(files.kernel_head), 8);
  const auto size = load<std::uint64_t>(as_bytes(files.kernel_head), 16);
  const bool image = magic == 0x644d'5241u && size && *size >= files.kernel_bytes &&
                     *size <= (1ull << 30) && *offset < kKernelAlign && *offset % kPage == 0;
  if (!image) {
    return fail_hint(Blame::kRig, "capture: qmp", "the kernel is no uncompressed arm64 Image");
  }
  return KernelHeader{*offset, *size};
}

}  // namespace

Result<CrashImage> arm64_crash_image(const CrashFacts& facts, const CrashKernelFiles& files) {
  const auto reserved = ranges_named(facts.iomem, "Crash kernel");
  if (reserved.empty()) {
    return fail(Blame::kRig, "the guest's /proc/iomem has no memory for a capture kernel");
  }
  // A second one below 4 GB is for DMA; the larger one is the kernel's.
  const Range memory = *std::max_element(
      reserved.begin(), reserved.end(),
      [](const Range& a, const Range& b) { return a.end - a.begin < b.end - b.begin; });
  std::vector<Range> ram = ranges_named(facts.iomem, "System RAM");
  for (const Range& each : reserved) ram = without(ram, each);
  RIG_ASSIGN(const auto notes, notes_of(facts));
  RIG_ASSIGN(const KernelHeader header, kernel_header(files));

  const std::string core = core_header(notes, ram);
  Room room(memory);
  const auto kernel = room.take(header.text_offset + header.image_size, kKernelAlign);
  const auto initramfs = room.take(files.initramfs_bytes, kPage);
  const auto core_place = room.take(core.size(), kPage);
  const auto stub_place = room.take(kPage, kPage);
  // The tree names the places of the others, and is a little longer than the guest's.
  const auto tree_place = room.take(facts.tree.size() + files.cmdline.size() + kPage, kPage);
  if (!kernel || !initramfs || !core_place || !stub_place || !tree_place) {
    return fail_hint(Blame::kRig, "a larger crashkernel= in the cmdline",
                     "the {} reserved for the capture kernel are too few",
                     human_bytes(memory.end - memory.begin));
  }
  const TreeProperty chosen[] = {
      {"bootargs", files.cmdline + '\0'},
      {"linux,initrd-start", tree_numbers({initramfs->address})},
      {"linux,initrd-end", tree_numbers({initramfs->address + files.initramfs_bytes})},
      {"linux,elfcorehdr", tree_numbers({core_place->address, core_place->size})},
      {"linux,usable-memory-range", tree_numbers({memory.begin, memory.end - memory.begin})},
  };
  RIG_ASSIGN(std::string tree, with_chosen(as_bytes(facts.tree), chosen));

  CrashImage image;
  image.entry = stub_place->address;
  image.kernel = {kernel->address + header.text_offset, kernel->size - header.text_offset};
  image.initramfs = *initramfs;
  image.blobs.push_back({core, *core_place});
  image.blobs.push_back({entry_stub(tree_place->address, image.kernel.address), *stub_place});
  image.blobs.push_back({std::move(tree), *tree_place});
  return image;
}

}  // namespace rig::kdump
