// SPDX-License-Identifier: Apache-2.0
// Finds VMCOREINFO in the guest's memory when the dump has no note of it: QEMU without -device
// vmcoreinfo, or a guest that never loaded qemu_fw_cfg. The kernel keeps the note itself, ready to
// be copied. Source: kernel/crash_core.c (update_vmcoreinfo_note), since v4.13 a page of its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/core/dump_memory.h"
#include "base/arch.h"

namespace rig::analyzer {

struct FoundVmcoreinfo {
  std::string text;
  PhysAddr at{};
  // The release it names was also read where it says that init_uts_ns lies, so it belongs to the
  // kernel that ran here, not to a nested guest's or an earlier one.
  bool proven = false;
};

// First the start of every page, which is quick; then every byte. `budget` bounds both, in bytes of
// guest memory looked at. A proven note ends the search, else the first plausible one is taken.
std::optional<FoundVmcoreinfo> search_vmcoreinfo(const DumpMemory& memory, Arch arch,
                                                 std::uint64_t budget);

}  // namespace rig::analyzer
