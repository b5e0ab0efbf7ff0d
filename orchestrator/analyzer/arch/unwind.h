// SPDX-License-Identifier: Apache-2.0
// One step up a kernel stack. Each architecture has a function that takes it: x86_64 by the ORC
// tables that the kernel carries, arm64 by frame records. facts/backtrace walks with it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/arch/registers.h"

namespace rig::analyzer {

// Where a walk is: in the function around `pc`, whose stack is at `sp`.
struct UnwindPoint {
  VirtAddr pc{};
  VirtAddr sp{};
  std::optional<VirtAddr> fp;  // RBP, x29, as far as it is known here
  // True: `pc` is where the CPU was. False: it is a return address, and the call lies before it.
  bool exact = false;
  std::vector<RegisterValue> registers;  // all of them where they are known: after an exception
  // Whose stack it is, where that is known. The walk carries it on; a step need not.
  std::optional<VirtAddr> task = std::nullopt;
};

struct UnwindStep {
  enum class Kind {
    kCaller,     // `next` is the function that called
    kException,  // `next` was interrupted; `saved` has its registers
    kEnd,        // the kernel was entered here: from user mode (then `saved` has it), or by a fork
    kLost,       // no way on from here: `why`
  };
  Kind kind = Kind::kLost;
  UnwindPoint next;
  std::optional<SavedFrame> saved;
  bool reliable = true;  // of `next`: false where the step was guessed
  // In words: where the walk ended (kEnd), why it cannot go on (kLost), why the step had to be
  // guessed or is odd (else; mostly empty).
  std::string why;

  static UnwindStep lost(std::string why) {
    UnwindStep step;
    step.why = std::move(why);
    return step;
  }
};

}  // namespace rig::analyzer
