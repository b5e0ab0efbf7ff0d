// SPDX-License-Identifier: Apache-2.0
// The layout of /proc/vmcore, which is read by ranges from afar: an ELF core with one PT_NOTE and a
// PT_LOAD for each piece of memory.
// Format: fs/proc/vmcore.c (merge_note_headers_elf64), kernel/kexec_file.c
// (crash_prepare_elf64_headers), arch/x86/kernel/crash.c.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/core/core.h"
#include "analyzer/core/vmcoreinfo.h"
#include "base/address.h"
#include "base/arch.h"
#include "base/error.h"
#include "base/file_ranges.h"

namespace rig::kdump {

// A piece of the crashed kernel's memory, whole pages of it.
struct MemoryPiece {
  PhysAddr begin{};
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  // in the file
};

struct VmcoreLayout {
  Arch arch = Arch::kX86_64;
  std::uint64_t page_size = 4096;
  std::string notes;  // as they are in the file
  std::vector<analyzer::CpuNote> cpus;
  analyzer::Vmcoreinfo info{""};
  // Ascending by address, not overlapping: x86_64's file has the kernel's image twice.
  std::vector<MemoryPiece> memory;
};

// A file without VMCOREINFO or memory is an error: nothing could be done with it.
Result<VmcoreLayout> read_layout(const RangeReader& read);

// The bytes at `offset`, wholly.
Result<std::string> read_bytes(const RangeReader& read, std::uint64_t offset, std::uint64_t size);

}  // namespace rig::kdump
