// SPDX-License-Identifier: Apache-2.0
// The kernel's log out of the printk ring buffer, through VMCOREINFO alone: no symbols, no types.
// Format: kernel/printk/printk_ringbuffer.{h,c}, since 896fbe20b4e2 (v5.10).
#pragma once

#include <string>

#include "analyzer/core/virt_memory.h"
#include "analyzer/core/vmcoreinfo.h"
#include "base/error.h"

namespace rig::analyzer {

struct KernelLog {
  std::string text;  // as dmesg prints it: "[    3.123456] text" for each line
  std::uint64_t records = 0;
  std::uint64_t broken = 0;      // records that were there but do not make sense
  std::uint64_t unfinished = 0;  // reserved by a writer that was stopped before it was done
  std::uint64_t missing = 0;     // bytes of the buffer that are not in the core
};

Result<KernelLog> read_log(const VirtMemory& memory, const Vmcoreinfo& info);

}  // namespace rig::analyzer
