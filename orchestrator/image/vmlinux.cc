// SPDX-License-Identifier: Apache-2.0
#include "image/vmlinux.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "image/archive_io.h"

namespace rig::image {
namespace {

constexpr std::uint64_t kSectorSize = 512;
constexpr std::uint64_t kLargestKernel = std::uint64_t{1} << 30;
constexpr std::uint32_t kPhys32Entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY, xen/interface/elfnote.h

// Offsets in the real-mode setup header.
constexpr std::uint64_t kSetupSectors = 0x1f1;
constexpr std::uint64_t kHeaderMagic = 0x202;
constexpr std::uint64_t kBootVersion = 0x206;
constexpr std::uint64_t kPayloadOffset = 0x248;
constexpr std::uint64_t kPayloadLength = 0x24c;
constexpr std::uint32_t kHdrS = 0x53726448;         // "HdrS"
constexpr std::uint16_t kFirstWithPayload = 0x208;  // boot protocol 2.08
constexpr std::string_view kGzipMagic = "\x1f\x8b";

struct Payload {
  ByteView compressed;
  std::uint32_t size = 0;  // decompressed
};

Result<Payload> find_payload(ByteView image) {
  const auto magic = load<std::uint32_t>(image, kHeaderMagic);
  const auto version = load<std::uint16_t>(image, kBootVersion);
  const auto sectors = load<std::uint8_t>(image, kSetupSectors);
  const auto offset = load<std::uint32_t>(image, kPayloadOffset);
  const auto length = load<std::uint32_t>(image, kPayloadLength);
  if (!length || *magic != kHdrS) return fail(Blame::kRig, "not a bzImage");
  if (*version < kFirstWithPayload) {
    return fail(Blame::kRig, "boot protocol {:#x} is too old", *version);
  }
  const std::uint64_t setup = (*sectors == 0 ? 4 : *sectors) + std::uint64_t{1};
  const auto payload = slice(image, setup * kSectorSize + *offset, *length);
  if (!payload || payload->size() <= 4) return fail(Blame::kRig, "payload outside of the bzImage");
  // The build appends the decompressed size to every format but gzip, whose trailer already is it.
  const std::uint32_t size = load<std::uint32_t>(payload->last(4)).value_or(0);
  if (as_text(*payload).starts_with(kGzipMagic)) return Payload{*payload, size};
  return Payload{payload->first(payload->size() - 4), size};
}

Status write_part(int fd, ByteView part) {
  while (!part.empty()) {
    const ssize_t count = ::write(fd, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "cannot write the vmlinux");
    part = part.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

bool notes_have_pvh(ByteView notes) {
  ByteReader reader(notes);
  while (const auto header = reader.next<Elf64_Nhdr>()) {
    const auto name = reader.take(align_up(header->n_namesz, 4));
    if (!name) return false;
    if (header->n_type == kPhys32Entry && as_text(*name).starts_with("Xen")) return true;
    if (!reader.take(align_up(header->n_descsz, 4))) return false;
  }
  return false;
}

}  // namespace

Status extract_vmlinux(ByteView bzimage, const fs::path& target) {
  RIG_ASSIGN(const Payload payload, find_payload(bzimage));
  const UniqueFd fd(::open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(errno, fmt::format("cannot create {}", target.string()));
  std::uint64_t written = 0;
  const auto sink = [&](ByteView part) {
    written += part.size();
    return write_part(fd.get(), part);
  };
  RIG_TRY(decompress(payload.compressed, sink, kLargestKernel));
  if (written != payload.size) {
    return fail(Blame::kRig, "the kernel decompressed to {} bytes, its trailer says {}", written,
                payload.size);
  }
  return {};
}

bool has_pvh_entry(ByteView elf) {
  const auto header = load<Elf64_Ehdr>(elf);
  if (!header || as_text(elf).substr(0, SELFMAG) != ELFMAG) return false;
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64) return false;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto segment =
        load<Elf64_Phdr>(elf, header->e_phoff + std::uint64_t{i} * sizeof(Elf64_Phdr));
    if (!segment) return false;
    if (segment->p_type != PT_NOTE) continue;
    const auto notes = slice(elf, segment->p_offset, segment->p_filesz);
    if (notes && notes_have_pvh(*notes)) return true;
  }
  return false;
}

}  // namespace rig::image
