// SPDX-License-Identifier: Apache-2.0
// A vmcore as a file: ELF (QEMU, libvirt, /proc/vmcore), kdump-compressed (zlib, lzo, snappy,
// zstd; makedumpfile's bitmaps), either of them flattened. Never read as a whole; pages are
// decompressed on demand into a bounded cache, so cost follows what is asked.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analyzer/core/memory.h"
#include "analyzer/core/vmcoreinfo.h"
#include "base/arch.h"
#include "base/error.h"
#include "base/file.h"

namespace rig::analyzer {

class DumpMemory;
struct Container;

// One CPU's state as whoever wrote the dump saw it: raw, decoded by arch/.
struct CpuNote {
  unsigned index = 0;               // position in the dump, i.e. QEMU's vCPU number
  std::uint32_t pid = 0;            // pr_pid; QEMU writes index + 1
  std::vector<std::byte> prstatus;  // the descriptor of the NT_PRSTATUS note
  std::vector<std::byte> qemu;  // the descriptor of the "QEMU" note (x86: CR0..CR4, IDT), or empty
};

class Core {
 public:
  // Blame::kInput when it is not a core or not one we can read; the message names what it is.
  static Result<Core> open(const fs::path& path);
  // Likewise, of the parts of one split dump (makedumpfile --split) in any order. Parts of
  // different dumps or twice the same are Blame::kInput; for a part that is missing there is a
  // remark.
  static Result<Core> open(std::span<const fs::path> parts);
  // Memory that is no file, a live guest's say. What is known of its CPUs and VMCOREINFO is taken
  // from `notes`, a core of that guest whose own memory is not used; without a VMCOREINFO there it
  // is searched for in `memory`.
  static Core from_memory(const Core& notes, std::shared_ptr<const PhysMemory> memory,
                          std::string name, std::string format);

  const std::string& name() const { return name_; }  // the path it was opened by
  Arch arch() const { return arch_; }
  const std::string& format() const { return format_; }  // "kdump-compressed (zlib), flattened"
  std::uint64_t file_bytes() const { return file_bytes_; }
  const PhysMemory& memory() const { return *memory_; }
  const std::vector<CpuNote>& cpus() const { return cpus_; }

  // From the note; when there is none, searched for in memory. Nothing when it is not there either.
  const std::optional<Vmcoreinfo>& vmcoreinfo() const { return vmcoreinfo_; }
  // True: what is used was found by that search.
  bool vmcoreinfo_searched() const { return vmcoreinfo_searched_; }

  // What is odd about the file and was worked around: cut short, notes missing ...
  const std::vector<std::string>& remarks() const { return remarks_; }

 private:
  Core() = default;
  void take(Container container);
  void find_vmcoreinfo(const std::optional<std::string>& note, const DumpMemory& memory,
                       std::uint64_t file_size);

  std::string name_;
  Arch arch_ = Arch::kX86_64;
  std::string format_;
  std::uint64_t file_bytes_ = 0;
  std::shared_ptr<const PhysMemory> memory_;
  std::vector<CpuNote> cpus_;
  std::optional<Vmcoreinfo> vmcoreinfo_;
  bool vmcoreinfo_searched_ = false;
  std::vector<std::string> remarks_;
};

}  // namespace rig::analyzer
