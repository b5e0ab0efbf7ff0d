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
  bool overfull = false;  // records gave more text than the ring can hold: the rest is left out
};

// `memory_bytes`: of the guest. The ring cannot be larger, and the text not much larger than the
// ring, whatever a core claims.
Result<KernelLog> read_log(const VirtMemory& memory, const Vmcoreinfo& info,
                           std::uint64_t memory_bytes);

}  // namespace rig::analyzer
