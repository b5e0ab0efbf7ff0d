// SPDX-License-Identifier: Apache-2.0
// What a report says about the code it happened in, in the order of its lines.
#pragma once

#include <cstddef>
#include <vector>

#include "oops/report.h"

namespace rig::oops {

enum class Mark {
  // a line about one function
  kFrame,       // in a stack
  kPc,          // the program counter; no function when it is a user's, or none is known there
  kLockSite,    // a lock validator's ", at: f+0x1/0x2"
  kLastWorked,  // a workqueue's "last function: f"
  kInjected,    // a stack of fault injection: printed by whoever it hit, often amid other reports
  kNoStack,     // "(stack is not available)": says that there is none, so nothing was lost
  // headings of stacks
  kTrace,      // "Call Trace:"
  kRegisters,  // the end of RISC-V's registers: a stack may follow
  kAllocated,  // KASAN, KFENCE, SLUB: who allocated the object
  kFreed,      // ... and who freed it
  kBacktrace,  // kmemleak's "backtrace:"
  kStored,     // KMSAN: "Uninit was stored to memory at:"
  kOrigin,     // KMSAN: "Uninit was created at:", "Local variable x created at:"
  kPageOwner,  // "page last allocated via ..."
  kBecame,     // lockdep: "... which became SOFTIRQ-irq-safe at:"
  kOther,      // of something else
  kForeign,    // what follows, with its own "Call Trace:", is not of this report
};

inline bool is_heading(Mark mark) {
  return mark >= Mark::kTrace;
}

struct Step {
  Mark mark;
  Frame frame;           // without function for headings
  std::size_t line = 0;  // of the report's own lines, the first being 0
};

using Trail = std::vector<Step>;

}  // namespace rig::oops
