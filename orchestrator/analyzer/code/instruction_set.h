// SPDX-License-Identifier: Apache-2.0
// What following values needs to know of an architecture's machine code and calls, as one table.
// To add an architecture: a decoder in a file of its own, and its row in instruction_set.cc.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "analyzer/code/instruction.h"
#include "base/arch.h"
#include "base/bytes.h"
#include "base/error.h"

namespace rig::analyzer {

class Decoder {
 public:
  virtual ~Decoder() = default;
  // The instruction at the start of `bytes`, which lie at `at`. Always takes at least one byte
  // (arm64: up to four); what is none is kUnknown.
  virtual Operation decode(ByteView bytes, VirtAddr at) = 0;
};

struct InstructionSet {
  Arch arch;
  std::span<const std::string_view> names;  // of registers, as the kernel prints them
  Register stack;                           // RSP, sp
  Register link;                            // where a call leaves its return address; or none
  Register result;                          // of a call
  std::span<const Register> arguments;      // System V AMD64, 3.2.3; AAPCS64, 6.4
  RegisterSet saved;                        // what a call leaves as it was; the stack too
  // Blame::kRig when the disassembler's library cannot do it.
  Result<std::unique_ptr<Decoder>> (*decoder)();

  std::string_view name(Register reg) const {
    return reg < names.size() ? names[reg] : std::string_view();
  }
  Register number(std::string_view name) const;
};

// The row for `arch`. There is one for each enumerator of Arch.
const InstructionSet& instruction_set(Arch arch);

}  // namespace rig::analyzer
