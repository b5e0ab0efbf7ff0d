// SPDX-License-Identifier: Apache-2.0
// The kernel's log out of the printk ring buffer, through VMCOREINFO alone: no symbols, no types.
// Format: kernel/printk/printk_ringbuffer.{h,c}, since 896fbe20b4e2 (v5.10).
#pragma once

#include <string>
#include <vector>

#include "analyzer/core/virt_memory.h"
#include "analyzer/core/vmcoreinfo.h"
#include "base/error.h"

namespace rig::analyzer {

// Some lines of a log's text, whole.
struct LogLines {
  std::size_t begin = 0;
  std::size_t end = 0;  // behind the last one's '\n'
};

struct KernelLog {
  std::string text;  // as dmesg prints it: "[    3.123456] text" for each line
  // Of it, what programs wrote into the log (/dev/kmsg, syslog's facility is not the kernel's).
  std::vector<LogLines> by_programs;
  std::uint64_t records = 0;
  std::uint64_t broken = 0;      // records that were there but do not make sense
  std::uint64_t unfinished = 0;  // reserved by a writer that was stopped before it was done
  std::uint64_t missing = 0;     // bytes of the buffer that are not in the core
  bool overfull = false;  // records gave more text than the ring can hold: the rest is left out
};

// The text with the lines of programs left empty, so that the others keep their numbers.
std::string kernels_text(const KernelLog& log);

// `memory_bytes`: of the guest. The ring cannot be larger, and the text not much larger than the
// ring, whatever a core claims.
Result<KernelLog> read_log(const VirtMemory& memory, const Vmcoreinfo& info,
                           std::uint64_t memory_bytes);

}  // namespace rig::analyzer
