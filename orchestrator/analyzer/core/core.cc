// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/core.h"

#include <array>

#include "analyzer/core/container.h"
#include "analyzer/core/vmcoreinfo_search.h"

namespace rig::analyzer {
namespace {

// The containers that can be read. To add one: an entry here, a reader that returns a Container,
// and a Format in tests/fakes/synthetic_core.h, so that the suite over all formats covers it.
struct Reader {
  std::string_view signature;
  Result<Container> (*open)(std::shared_ptr<const DumpFile>);
};
constexpr Reader kReaders[] = {
    {"\177ELF", open_elf},
    {"KDUMP   ", open_kdump},
};

// What people also have lying about, and what to do with it.
struct Lookalike {
  std::string_view signature;
  std::string_view what;
  std::string_view hint;
};
constexpr Lookalike kLookalikes[] = {
    {"\x1f\x8b", "gzip-compressed", "unpack it with gunzip first"},
    {"\xfd"
     "7zXZ",
     "xz-compressed", "unpack it with unxz first"},
    {"\x28\xb5\x2f\xfd", "zstd-compressed", "unpack it with unzstd first"},
    {"BZh", "bzip2-compressed", "unpack it with bunzip2 first"},
    {"PK\x03\x04", "a zip archive", "unpack it first"},
    {"LibvirtQemudSave", "libvirt's image of a saved guest",
     "take a core with: virsh dump --memory-only"},
    {"QEVM", "a QEMU migration stream", "take a core with: virsh dump --memory-only"},
    {"QFI\xfb", "a qcow2 disk image", "take a core with: virsh dump --memory-only"},
    {"DISKDUMP", "a diskdump of a 2.6 kernel", "crash(8) reads it"},
    {"PAGEDU64", "a Windows crash dump", "WinDbg reads it"},
    {"EMiL", "a LiME memory image", "convert it to an ELF core first"},
};

Result<Container> open_container(std::shared_ptr<const DumpFile> file) {
  std::array<std::byte, 16> start{};
  const std::size_t size = std::min<std::uint64_t>(file->size(), start.size());
  if ((file->flattened() && size == 0) || !file->read(0, MutableBytes(start).first(size))) {
    return fail(Blame::kInput, "a flattened dump cut short before its header");
  }
  const std::string_view text = as_text(ByteView(start).first(size));
  if (text.empty()) return fail(Blame::kInput, "an empty file");
  for (const Reader& reader : kReaders) {
    if (text.starts_with(reader.signature)) return reader.open(std::move(file));
  }
  for (const Lookalike& known : kLookalikes) {
    if (text.starts_with(known.signature)) {
      return fail_hint(Blame::kInput, std::string(known.hint), "not a core: it is {}", known.what);
    }
  }
  return fail_hint(Blame::kInput, "ELF and kdump-compressed cores can be read, flattened or not",
                   "not a core that we know");
}

}  // namespace

Result<Core> Core::open(const fs::path& path) {
  RIG_ASSIGN(DumpFile opened, DumpFile::open(path));
  const auto file = std::make_shared<const DumpFile>(std::move(opened));
  auto container = open_container(file);
  if (!container) return wrap(path.string(), container.error());

  Core core;
  core.name_ = path.string();
  core.arch_ = container->arch;
  core.format_ = std::move(container->format);
  if (file->flattened()) core.format_ += ", flattened";
  core.file_bytes_ = file->file_size();
  core.memory_ = container->memory;
  core.cpus_ = std::move(container->notes.cpus);
  core.remarks_ = file->remarks();
  for (auto* remarks : {&container->remarks, &container->notes.remarks}) {
    core.remarks_.insert(core.remarks_.end(), remarks->begin(), remarks->end());
  }
  if (core.cpus_.empty()) {
    core.remarks_.push_back("the dump has no CPU notes: registers come from memory only");
  }
  core.find_vmcoreinfo(container->notes.vmcoreinfo, *container->memory, file->file_size());
  return core;
}

void Core::find_vmcoreinfo(const std::optional<std::string>& note, const DumpMemory& memory,
                           std::uint64_t file_size) {
  if (note) {
    vmcoreinfo_.emplace(*note);
    if (vmcoreinfo_->value("OSRELEASE")) return;
    remarks_.push_back("the VMCOREINFO note does not name a release: searched for another");
  }
  // A page of zeros takes 24 bytes of a kdump file: honest dumps stay well below this.
  constexpr std::uint64_t kMemoryPerFileByte = 256;
  auto found = search_vmcoreinfo(memory, arch_, file_size * kMemoryPerFileByte);
  if (!found) {
    if (!note) remarks_.push_back("no VMCOREINFO, neither as a note nor in memory");
    return;
  }
  vmcoreinfo_.emplace(found->text);
  vmcoreinfo_searched_ = true;
  if (!found->proven) {
    remarks_.push_back(
        fmt::format("VMCOREINFO was found in memory at {} and could not be confirmed", found->at));
  }
}

}  // namespace rig::analyzer
