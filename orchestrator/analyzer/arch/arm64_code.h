// SPDX-License-Identifier: Apache-2.0
// What the instructions around a place say about the frame record of their function: whether it is
// on the stack there, so that x29 and x30 can be told apart from those of the caller.
// Encodings: Arm ARM, C6 "A64 Base Instruction Descriptions".
#pragma once

#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

enum class Arm64Record {
  kSaved,     // x29 is the function's own: its record holds the return address
  kNotSaved,  // x29 is the caller's, x30 the return address: not yet saved, or restored already
  kUnknown,   // depends on the way that was taken
};

// At `pc` in the function that begins at `function`; `pc` has not been executed yet.
Arm64Record arm64_record_at(const Kernel& kernel, VirtAddr function, VirtAddr pc);

// Is the instruction before `address` a call? Then a jump to nowhere from there returns here.
bool arm64_follows_call(const Kernel& kernel, VirtAddr address);

}  // namespace rig::analyzer
