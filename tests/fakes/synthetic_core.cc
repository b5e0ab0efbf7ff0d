// SPDX-License-Identifier: Apache-2.0
#include "fakes/synthetic_core.h"

#include <elf.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <fstream>

#include "analyzer/core/kdump.h"

namespace rig::fakes {
namespace {

using analyzer::KdumpMainHeader;
using analyzer::KdumpPageDescriptor;
using analyzer::KdumpSubHeader;

template <typename T>
void append(std::string& out, const T& value) {
  out += as_text(std::as_bytes(std::span(&value, 1)));
}

void pad(std::string& out, std::size_t alignment) {
  out.resize(align_up(out.size(), alignment));
}

void append_note(std::string& out, std::string_view name, std::uint32_t type,
                 std::string_view descriptor) {
  append(out, static_cast<std::uint32_t>(name.size() + 1));
  append(out, static_cast<std::uint32_t>(descriptor.size()));
  append(out, type);
  out.append(name).push_back('\0');
  pad(out, 4);
  out.append(descriptor);
  pad(out, 4);
}

std::string zlib_packed(std::string_view in) {
  uLongf size = ::compressBound(in.size());
  std::string out(size, '\0');
  ::compress2(reinterpret_cast<Bytef*>(out.data()), &size,
              reinterpret_cast<const Bytef*>(in.data()), in.size(), Z_BEST_SPEED);
  out.resize(size);
  return out;
}

std::string lzo_packed(std::string_view in) {
  std::vector<unsigned char> work(LZO1X_1_MEM_COMPRESS);
  std::string out(in.size() + in.size() / 16 + 67, '\0');
  lzo_uint size = out.size();
  ::lzo1x_1_compress(reinterpret_cast<const unsigned char*>(in.data()), in.size(),
                     reinterpret_cast<unsigned char*>(out.data()), &size, work.data());
  out.resize(size);
  return out;
}

std::string snappy_packed(std::string_view in) {
  std::string out(::snappy_max_compressed_length(in.size()), '\0');
  std::size_t size = out.size();
  ::snappy_compress(in.data(), in.size(), out.data(), &size);
  out.resize(size);
  return out;
}

std::string zstd_packed(std::string_view in) {
  std::string out(::ZSTD_compressBound(in.size()), '\0');
  out.resize(::ZSTD_compress(out.data(), out.size(), in.data(), in.size(), 1));
  return out;
}

struct Codec {
  CoreFormat format;
  std::uint32_t flag;
  std::string (*pack)(std::string_view);
};
constexpr Codec kCodecs[] = {
    {CoreFormat::kKdumpZlib, 0x1, zlib_packed},
    {CoreFormat::kKdumpLzo, 0x2, lzo_packed},
    {CoreFormat::kKdumpSnappy, 0x4, snappy_packed},
    {CoreFormat::kKdumpZstd, 0x20, zstd_packed},
};

const Codec* codec_of(CoreFormat format) {
  for (const Codec& codec : kCodecs) {
    if (codec.format == format) return &codec;
  }
  return nullptr;
}

void set_bit(std::string& bitmap, std::uint64_t bit) {
  bitmap[bit / 8] = static_cast<char>(bitmap[bit / 8] | 1 << (bit % 8));
}

void put(char (&field)[65], std::string_view text) {
  text.copy(field, sizeof field - 1);
}

template <typename T>
std::string big_endian(T value) {
  std::string out;
  append(out, __builtin_bswap64(static_cast<std::uint64_t>(value)));
  return out;
}

}  // namespace

std::string_view to_string(CoreFormat format) {
  static constexpr std::string_view kNames[] = {"Elf",      "KdumpRaw",    "KdumpZlib",
                                                "KdumpLzo", "KdumpSnappy", "KdumpZstd"};
  return kNames[static_cast<std::size_t>(format)];
}

std::vector<CoreForm> all_core_forms() {
  std::vector<CoreForm> forms;
  for (const CoreFormat format : kAllCoreFormats) {
    forms.push_back({format, false});
    forms.push_back({format, true});
  }
  return forms;
}

std::string to_string(const CoreForm& form) {
  return std::string(to_string(form.format)) + (form.flattened ? "Flattened" : "");
}

SyntheticCore& SyntheticCore::arch(Arch arch) {
  arch_ = arch;
  return *this;
}

SyntheticCore& SyntheticCore::memory(PhysAddr address, ByteView bytes) {
  std::uint64_t at = raw(address);
  do {
    std::string& page = pages_[align_down(at, kPage)];
    // A page of zeros is kept as an empty one: real guests have many.
    if (page.empty() && at % kPage == 0 && bytes.size() >= kPage &&
        std::ranges::all_of(bytes.first(kPage), [](std::byte b) { return b == std::byte{0}; })) {
      bytes = bytes.subspan(kPage);
      at += kPage;
      continue;
    }
    page.resize(kPage);
    const std::size_t inside = at % kPage;
    const std::size_t count = std::min<std::size_t>(bytes.size(), kPage - inside);
    as_text(bytes.first(count)).copy(page.data() + inside, count);
    bytes = bytes.subspan(count);
    at += count;
  } while (!bytes.empty());
  return *this;
}

SyntheticCore& SyntheticCore::excluded(PhysAddr page) {
  excluded_.insert(align_down(raw(page), kPage));
  return *this;
}

SyntheticCore& SyntheticCore::vmcoreinfo(std::string_view text) {
  vmcoreinfo_ = text;
  return *this;
}

SyntheticCore& SyntheticCore::prstatus(ByteView descriptor, ByteView qemu) {
  cpus_.emplace_back(as_text(descriptor), as_text(qemu));
  return *this;
}

SyntheticCore& SyntheticCore::prstatus_of_pid(std::uint32_t pid) {
  std::string descriptor(arch_ == Arch::kX86_64 ? 336 : 392, '\0');
  std::memcpy(descriptor.data() + 32, &pid, sizeof pid);
  return prstatus(rig::as_bytes(descriptor));
}

SyntheticCore& SyntheticCore::block_size(std::uint32_t bytes) {
  block_size_ = bytes;
  return *this;
}

SyntheticCore& SyntheticCore::header_version(std::uint32_t version) {
  version_ = version;
  return *this;
}

SyntheticCore& SyntheticCore::part(PhysAddr begin, PhysAddr end) {
  part_ = {raw(begin), raw(end)};
  return *this;
}

SyntheticCore& SyntheticCore::machine(std::string_view uts_machine) {
  machine_ = uts_machine;
  return *this;
}

SyntheticCore& SyntheticCore::status(std::uint32_t flags) {
  status_ = flags;
  return *this;
}

// QEMU's order: all PRSTATUS notes, then all its own, then the guest's.
std::string SyntheticCore::notes() const {
  std::string out;
  for (const auto& [prstatus, qemu] : cpus_) append_note(out, "CORE", NT_PRSTATUS, prstatus);
  for (const auto& [prstatus, qemu] : cpus_) {
    if (!qemu.empty()) append_note(out, "QEMU", 0, qemu);
  }
  if (vmcoreinfo_) append_note(out, "VMCOREINFO", 0, *vmcoreinfo_);
  return out;
}

std::string SyntheticCore::elf_bytes() const {
  const std::string note_bytes = notes();
  std::vector<Elf64_Phdr> segments(1);
  segments[0].p_type = PT_NOTE;
  segments[0].p_filesz = note_bytes.size();
  std::set<std::uint64_t> all = excluded_;
  for (const auto& [address, bytes] : pages_) all.insert(address);
  for (const std::uint64_t address : all) {
    const bool stored = pages_.contains(address);
    Elf64_Phdr& last = segments.back();
    const bool joins = last.p_type == PT_LOAD && last.p_paddr + last.p_memsz == address &&
                       (!stored || last.p_filesz == last.p_memsz);
    if (!joins) segments.push_back({PT_LOAD, PF_R, 0, 0, address, 0, 0, 0});
    segments.back().p_memsz += kPage;
    if (stored) segments.back().p_filesz += kPage;
  }
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_CORE;
  header.e_machine = arch_ == Arch::kX86_64 ? EM_X86_64 : EM_AARCH64;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(segments.size());

  std::uint64_t offset = sizeof header + segments.size() * sizeof(Elf64_Phdr);
  for (Elf64_Phdr& segment : segments) {
    segment.p_offset = offset;
    offset += segment.p_filesz;
  }
  std::string out;
  append(out, header);
  for (const Elf64_Phdr& segment : segments) append(out, segment);
  out += note_bytes;
  for (const auto& [address, bytes] : pages_) {
    out += bytes;
    out.resize(out.size() + kPage - bytes.size());
  }
  return out;
}

// The sub-header's blocks, which notes and VMCOREINFO share with it.
std::string SyntheticCore::kdump_sub_area(std::uint64_t page_count) const {
  const std::uint64_t block = block_size_;
  std::string area(sizeof(KdumpSubHeader), '\0');
  KdumpSubHeader sub{};
  sub.dump_level = excluded_.empty() ? 1 : 31;
  const std::string note_bytes = notes();
  if (version_ >= 4 && !note_bytes.empty()) {
    sub.notes_offset = block + area.size();
    sub.notes_size = note_bytes.size();
    area += note_bytes;
  }
  if (vmcoreinfo_ && version_ >= 3) {
    sub.vmcoreinfo_offset = block + area.size();
    sub.vmcoreinfo_size = vmcoreinfo_->size();
    area += *vmcoreinfo_;
  }
  sub.split = part_ ? 1 : 0;
  sub.start_pfn = sub.start_pfn_64 = part_ ? part_->first / block : 0;
  sub.end_pfn = sub.end_pfn_64 = part_ ? part_->second / block : page_count;
  sub.max_mapnr_64 = page_count;
  std::memcpy(area.data(), &sub, sizeof sub);
  pad(area, block);
  return area;
}

// Descriptors and data of the pages; all zero pages share the first data, as in QEMU's dumps.
std::string SyntheticCore::kdump_pages(const std::map<std::uint64_t, std::string>& blocks,
                                       CoreFormat format, std::uint64_t offset) const {
  const Codec* codec = codec_of(format);
  const std::string zero(block_size_, '\0');
  const std::uint64_t data_offset = offset + blocks.size() * sizeof(KdumpPageDescriptor);
  std::string descriptors;
  std::string data = zero;
  for (const auto& [number, content] : blocks) {
    if (content.empty() || content == zero) {
      append(descriptors, KdumpPageDescriptor{data_offset, block_size_, 0, 0});
      continue;
    }
    const std::string packed = codec != nullptr ? codec->pack(content) : content;
    const bool smaller = packed.size() < content.size();
    const std::string& chosen = smaller ? packed : content;
    append(descriptors,
           KdumpPageDescriptor{data_offset + data.size(), static_cast<std::uint32_t>(chosen.size()),
                               smaller ? codec->flag : 0, 0});
    data += chosen;
  }
  return descriptors + data;
}

std::string SyntheticCore::kdump_bytes(CoreFormat format) const {
  const std::uint64_t block = block_size_;
  std::map<std::uint64_t, std::string> blocks;  // by block number
  for (const auto& [address, bytes] : pages_) {
    std::string& content = blocks[address / block];
    if (bytes.empty()) continue;
    content.resize(block);
    bytes.copy(content.data() + address % block, bytes.size());
  }
  std::uint64_t count = blocks.empty() ? 0 : blocks.rbegin()->first + 1;
  if (!excluded_.empty()) count = std::max(count, *excluded_.rbegin() / block + 1);

  std::string present(align_up(count / 8 + 1, block), '\0');
  std::string dumped = present;
  for (const std::uint64_t address : excluded_) set_bit(present, address / block);
  for (const auto& [number, content] : blocks) {
    set_bit(present, number);
    set_bit(dumped, number);
  }
  if (part_) {
    std::erase_if(blocks, [&](const auto& entry) {
      return entry.first < part_->first / block || entry.first >= part_->second / block;
    });
  }

  const std::string sub_area = kdump_sub_area(count);
  const Codec* codec = codec_of(format);
  KdumpMainHeader main{};
  std::memcpy(main.signature, "KDUMP   ", sizeof main.signature);
  main.version = version_;
  put(main.machine, machine_.value_or(arch_ == Arch::kX86_64 ? "x86_64" : "aarch64"));
  main.status = status_ | (codec != nullptr ? codec->flag : 0);
  main.block_size = block_size_;
  main.sub_header_blocks = static_cast<std::uint32_t>(sub_area.size() / block);
  main.bitmap_blocks = static_cast<std::uint32_t>((present.size() + dumped.size()) / block);
  main.max_mapnr = static_cast<std::uint32_t>(count);
  main.cpus = static_cast<std::uint32_t>(cpus_.size());
  std::string out;
  append(out, main);
  pad(out, block);
  out += sub_area + present + dumped;
  return out + kdump_pages(blocks, format, out.size());
}

std::string SyntheticCore::bytes(CoreFormat format) const {
  return format == CoreFormat::kElf ? elf_bytes() : kdump_bytes(format);
}

Status SyntheticCore::write(const fs::path& path, CoreFormat format, bool flatten) const {
  const std::string plain = bytes(format);
  return write_bytes(path, flatten ? flattened(plain) : plain);
}

std::string minimal_core(std::string_view release) {
  SyntheticCore core;
  core.vmcoreinfo(fmt::format("OSRELEASE={}\nPAGESIZE=4096\n", release)).prstatus_of_pid(1);
  return core.memory(PhysAddr{0x1000}, "a page").bytes(CoreFormat::kKdumpZlib);
}

Status write_bytes(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush();
  if (!file) return fail(Blame::kRig, "cannot write {}", path.string());
  return {};
}

std::string flattened_header() {
  std::string out("makedumpfile\0\0\0\0", 16);
  out += big_endian(1) + big_endian(1);
  out.resize(4096);
  return out;
}

std::string flattened_record(std::uint64_t offset, std::string_view bytes) {
  return big_endian(offset) + big_endian(bytes.size()) + std::string(bytes);
}

std::string flattened_end() {
  return big_endian(-1) + big_endian(-1);
}

std::string flattened(std::string_view dump, std::size_t record_size) {
  std::string out = flattened_header();
  for (std::size_t at = 0; at < dump.size(); at += record_size) {
    out += flattened_record(at, dump.substr(at, record_size));
  }
  return out + flattened_end();
}

}  // namespace rig::fakes
