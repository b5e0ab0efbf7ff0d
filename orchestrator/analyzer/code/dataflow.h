// SPDX-License-Identifier: Apache-2.0
// Where a register or a word of the stack got its value, backwards within one function. What is
// known of the other registers is carried along: it holds on every way from there to the start.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "analyzer/code/function.h"
#include "analyzer/core/virt_memory.h"

namespace rig::analyzer {

// Registers whose values are known at one place.
class Known {
 public:
  std::optional<std::uint64_t> get(Register reg) const {
    return (mask_ & set_of(reg)) != 0 ? std::optional(values_[reg]) : std::nullopt;
  }
  bool has(Register reg) const { return (mask_ & set_of(reg)) != 0; }
  void set(Register reg, std::uint64_t value) {
    if (reg >= kMaxRegisters) return;
    mask_ |= set_of(reg);
    values_[reg] = value;
  }
  void forget(RegisterSet registers) { mask_ &= ~registers; }
  // Keeps what both know. True when that is less than before.
  bool keep_common(const Known& other);

 private:
  RegisterSet mask_ = 0;
  std::array<std::uint64_t, kMaxRegisters> values_{};
};

// A register, or 8 bytes of the stack.
struct Location {
  Register reg = kNoRegister;
  VirtAddr slot{};

  static Location of(Register reg) { return {reg, {}}; }
  static Location of(VirtAddr slot) { return {kNoRegister, slot}; }
};

// An operation that may have set the location, and what was known before and after it ran.
struct Definition {
  static constexpr std::uint32_t kEntry = ~std::uint32_t{0};  // it came from the caller

  std::uint32_t at = kEntry;
  Known before, after;
};

struct Reaching {
  std::vector<Definition> all;
  bool complete = true;  // false: there may be more
};

class Dataflow {
 public:
  // All must outlive it.
  // `floor`: what lies below it on the stack was overwritten since; 0: nothing was.
  Dataflow(const Function& function, const InstructionSet& set, const VirtMemory& memory,
           VirtAddr floor = VirtAddr{0})
      : function_(function), set_(set), memory_(memory), floor_(floor) {}

  const Function& function() const { return function_; }

  // What may have set `where` before operation `at` ran, with `known` there. Ways that what is
  // known rules out are not taken.
  Reaching reaching(std::uint32_t at, const Known& known, Location where) const;

  // What was known before `each` ran, from what is known behind it.
  Known undo(const Operation& each, const Known& after) const;

 private:
  enum class Effect { kNone, kSets, kMaybe };
  Effect effect(const Operation& each, const Known& after, Location where) const;
  void undo_sum(const Operation& each, const Known& after, Known& before) const;
  void undo_save(const Operation& each, const Known& after, Known& before) const;

  const Function& function_;
  const InstructionSet& set_;
  const VirtMemory& memory_;
  VirtAddr floor_;
};

// The value of base + index * scale + displacement; nothing when a register is not known. What
// %gs adds is left out.
std::optional<std::uint64_t> value_of(const AddressForm& form, const Known& known);

// Where a store or push put its first register, from what is known behind it.
std::optional<std::uint64_t> stored_at(const Operation& store, const Known& after,
                                       const InstructionSet& set);

// The lower `bytes` of `value`, extended as the operation does it.
std::uint64_t extended(const Operation& each, std::uint64_t value);

}  // namespace rig::analyzer
