// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/core.h"

#include <array>

#include "analyzer/core/container.h"
#include "analyzer/core/split_core.h"
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

// All of it is there.
class WholeMemory final : public DumpMemory {
 public:
  explicit WholeMemory(const PhysMemory& memory) : memory_(memory) {}
  Read<void> read(PhysAddr address, MutableBytes out) const override {
    return memory_.read(address, out);
  }
  std::vector<PhysRange> ranges() const override { return memory_.ranges(); }
  std::vector<PhysRange> stored() const override { return memory_.ranges(); }

 private:
  const PhysMemory& memory_;
};

}  // namespace

Result<Core> Core::open(const fs::path& path) {
  return open(std::span(&path, 1));
}

Result<Core> Core::open(std::span<const fs::path> paths) {
  if (paths.empty()) return fail(Blame::kInput, "no core given");
  Core core;
  bool flattened = false;
  std::vector<NamedContainer> containers;
  for (const fs::path& path : paths) {
    RIG_ASSIGN(DumpFile opened, DumpFile::open(path));
    const auto file = std::make_shared<const DumpFile>(std::move(opened));
    auto container = open_container(file);
    if (!container) return wrap(path.string(), container.error());
    containers.push_back({path.string(), *std::move(container)});
    core.file_bytes_ += file->file_size();
    core.name_ += (core.name_.empty() ? "" : " ") + path.string();
    core.remarks_.insert(core.remarks_.end(), file->remarks().begin(), file->remarks().end());
    flattened = flattened || file->flattened();
  }
  if (containers.size() > 1 || containers.front().container.part != nullptr) {
    RIG_ASSIGN(Container joined, join_parts(std::move(containers)));
    core.take(std::move(joined));
  } else {
    core.take(std::move(containers.front().container));
  }
  if (flattened) core.format_ += ", flattened";
  return core;
}

void Core::take(Container container) {
  arch_ = container.arch;
  format_ = std::move(container.format);
  memory_ = container.memory;
  cpus_ = std::move(container.notes.cpus);
  for (auto* remarks : {&container.remarks, &container.notes.remarks}) {
    remarks_.insert(remarks_.end(), remarks->begin(), remarks->end());
  }
  if (cpus_.empty()) {
    remarks_.push_back("the dump has no CPU notes: registers come from memory only");
  }
  find_vmcoreinfo(container.notes.vmcoreinfo, *container.memory, file_bytes_);
}

Core Core::from_memory(const Core& notes, std::shared_ptr<const PhysMemory> memory,
                       std::string name, std::string format) {
  Core core;
  core.name_ = std::move(name);
  core.arch_ = notes.arch();
  core.format_ = std::move(format);
  core.memory_ = std::move(memory);
  core.cpus_ = notes.cpus();
  for (const PhysRange& range : core.memory_->ranges()) core.file_bytes_ += range.size;
  std::optional<std::string> text;
  if (notes.vmcoreinfo()) text = notes.vmcoreinfo()->text();
  core.find_vmcoreinfo(text, WholeMemory(*core.memory_), core.file_bytes_);
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
