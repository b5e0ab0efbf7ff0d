// SPDX-License-Identifier: Apache-2.0
// One machine instruction as far as following a value backwards needs it: which registers it
// writes, and from what. What is not understood is kOther, with all that it may write.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/address.h"

namespace rig::analyzer {

// A full register by its place in InstructionSet::names: AL, AX and EAX are RAX.
using Register = std::uint8_t;
inline constexpr Register kNoRegister = 0xff;
inline constexpr unsigned kMaxRegisters = 32;

using RegisterSet = std::uint32_t;
constexpr RegisterSet set_of(Register reg) {
  return reg < kMaxRegisters ? RegisterSet{1} << reg : 0;
}

// base + index * scale + displacement
struct AddressForm {
  Register base = kNoRegister, index = kNoRegister;
  std::uint64_t scale = 1;
  std::uint8_t index_bytes = 8;  // of the index register that count, from the lowest
  bool index_signed = false;
  std::int64_t displacement = 0;  // of what is relative to the instruction: the address itself
  bool per_cpu = false;           // and the CPU's own base (x86: %gs)

  RegisterSet registers() const { return set_of(base) | set_of(index); }
};

// What a branch that was taken says about a register.
struct BranchTest {
  Register reg = kNoRegister;
  std::uint64_t mask = 0;   // of the bits that were looked at
  bool zero_taken = false;  // taken when they are all 0; else when one is not
};

struct Operation {
  enum class Kind : std::uint8_t {
    kUnknown,     // no instruction that we know: it may have changed everything
    kOther,       // writes `writes`, how is not known
    kLoad,        // to = memory; with to2: the word behind it too
    kStore,       // memory = from; with from2: the word behind it too
    kUpdate,      // reads and writes memory
    kMove,        // to = the lower `bytes` of from
    kConstant,    // to = value
    kSum,         // to = the address in `memory`, without going there
    kAddLoaded,   // to = to + memory
    kShiftRight,  // to = from >> value
    kAnd,         // to = from & value
    kSelect,      // to = from or from2
    kCurrent,     // to = the running task
    kPerCpuBase,  // to = the CPU's own __per_cpu_offset
    kPush,        // the stack grows by `from`
    kPop,         // to = the top of the stack
    kCall,        // of `target`, of the address in `from`, or of that in memory
    kJump,        // the same without a return
    kBranch,      // to `target` or on
    kReturn,
    kTrap,  // BUG(), WARN(), a breakpoint
  };

  VirtAddr at{};
  std::uint8_t size = 0;
  Kind kind = Kind::kUnknown;
  Register to = kNoRegister, to2 = kNoRegister;
  Register from = kNoRegister, from2 = kNoRegister;
  std::uint8_t bytes = 8;              // accessed, for each register; of kMove: that are taken over
  bool is_signed = false;              // what was taken over is extended by its sign
  std::uint8_t to_bytes = 8;           // where a signed value ends; the rest of the register is 0
  bool accesses = false;               // goes to `memory`
  bool sets_flags = false;             // that branches look at
  AddressForm memory;                  // of kSum: what is added up
  std::optional<AddressForm> memory2;  // of string instructions: where they read
  Register moved_base = kNoRegister;   // arm64: the base that it changes too ...
  std::int64_t moved_by = 0;           // ... by so much, before or after the access
  std::uint64_t value = 0;
  std::optional<VirtAddr> target;
  std::optional<BranchTest> test;  // x86: of compares, taken over by the branch behind
  RegisterSet writes = 0;

  bool reads_memory() const { return accesses && kind != Kind::kStore && kind != Kind::kPush; }
  bool writes_memory() const { return kind == Kind::kStore || kind == Kind::kUpdate; }
  bool falls_through() const { return kind != Kind::kJump && kind != Kind::kReturn; }
};

}  // namespace rig::analyzer
