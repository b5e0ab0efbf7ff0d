// SPDX-License-Identifier: Apache-2.0
// ELF notes of a dump: the CPUs' states and VMCOREINFO.
// Written by: QEMU target/*/arch_dump.c, kernel/crash_core.c, fs/proc/vmcore.c.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/core/core.h"
#include "base/bytes.h"

namespace rig::analyzer {

struct Notes {
  std::vector<CpuNote> cpus;
  std::optional<std::string> vmcoreinfo;
  std::vector<std::string> remarks;
};

// Takes any bytes; what is not a whole note ends the walk with a remark.
Notes parse_notes(ByteView bytes);

}  // namespace rig::analyzer
