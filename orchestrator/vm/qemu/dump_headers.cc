// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/dump_headers.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace rig::vm::qemu {
namespace {

constexpr std::uint64_t kMaxHeaders = 64 << 20;
constexpr std::size_t kMaxRanges = 4096;  // machines have tens

std::optional<Elf64_Phdr> segment(std::string_view bytes, const Elf64_Ehdr& header, unsigned i) {
  return load<Elf64_Phdr>(as_bytes(bytes), header.e_phoff + i * sizeof(Elf64_Phdr));
}

}  // namespace

void DumpHeaders::feed(std::string_view bytes) {
  if (done()) return;
  bytes_ += bytes;
  if (needed_ == 0) look();
}

void DumpHeaders::refuse(std::string_view why) {
  damage_ = Error{Blame::kRig, fmt::format("QEMU's dump cannot be used: {}", why), {}};
}

void DumpHeaders::look() {
  const auto header = load<Elf64_Ehdr>(as_bytes(bytes_));
  if (!header) return;
  if (!std::string_view(bytes_).starts_with(ELFMAG) || header->e_ident[EI_CLASS] != ELFCLASS64 ||
      header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phoff > kMaxHeaders) {
    return refuse("it is not a 64-bit ELF core");
  }
  if (header->e_phnum > kMaxRanges) return refuse("more memory ranges than machines have");
  std::uint64_t needed = header->e_phoff + header->e_phnum * sizeof(Elf64_Phdr);
  if (bytes_.size() < needed) return;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto each = segment(bytes_, *header, i);
    if (!each || each->p_type != PT_NOTE) continue;
    if (each->p_offset > kMaxHeaders || each->p_filesz > kMaxHeaders) {
      return refuse("its notes are too large");
    }
    needed = std::max(needed, each->p_offset + each->p_filesz);
  }
  needed_ = needed;
}

std::string DumpHeaders::take_core(std::vector<LiveRange>& ranges) {
  std::string core = std::move(bytes_);
  core.resize(needed_);
  const auto header = load<Elf64_Ehdr>(as_bytes(core));
  for (unsigned i = 0; header && i < header->e_phnum; ++i) {
    auto each = segment(core, *header, i);
    if (!each || each->p_type != PT_LOAD) continue;
    if (each->p_memsz != 0 && each->p_paddr + each->p_memsz > each->p_paddr) {
      ranges.push_back({PhysAddr{each->p_paddr}, each->p_memsz, 0});
    }
    each->p_filesz = 0;
    std::memcpy(core.data() + header->e_phoff + i * sizeof *each, &*each, sizeof *each);
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const LiveRange& a, const LiveRange& b) { return raw(a.begin) < raw(b.begin); });
  return core;
}

}  // namespace rig::vm::qemu
