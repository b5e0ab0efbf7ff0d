// SPDX-License-Identifier: Apache-2.0
// One call of a function that has not returned: where it is, which registers are known there, and
// who called it with what. What is known comes from the registers of the exception, from what the
// stack keeps of the callers', and from memory that was read by instructions before.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "analyzer/code/dataflow.h"

namespace rig::analyzer {

// What all functions on one CPU's way to the fault have in common.
struct Machine {
  const Kernel& kernel;
  const InstructionSet& set;
  Decoder& decoder;
  std::optional<std::uint64_t> per_cpu_base;  // __per_cpu_offset of the CPU
  std::optional<std::uint64_t> current;       // its task
  unsigned budget = 600;                      // of backwards walks, over all

  // arm64 takes no notice of the highest byte: TBI, Arm ARM D8.8.1.
  std::uint64_t without_tag(VirtAddr address) const {
    return set.arch == Arch::kArm64 ? raw(address) & 0x00ff'ffff'ffff'ffff : raw(address);
  }
};

class Activation {
 public:
  // Null when the code around `pc` is not there, or `pc` is not where an instruction begins.
  static std::unique_ptr<Activation> at(Machine& machine, VirtAddr pc, const Known& known);
  // Who called `callee`, at its call, when `entry` is known at the first instruction of `callee`.
  // Null as caller().
  static std::unique_ptr<Activation> calling(Machine& machine, VirtAddr callee, const Known& entry);

  Machine& machine() const { return machine_; }
  const Function& function() const { return function_; }
  std::uint32_t index() const { return index_; }
  const Known& known() const { return known_; }  // before the operation there

  // As Dataflow's; not complete once the budget is spent.
  Reaching reaching(std::uint32_t at, const Known& known, Location where) const;

  // The value of a register before operation `at`: known there, or computed from what is known
  // and from memory as it is now. Only where there is but one way that it can have got it.
  std::optional<std::uint64_t> evaluate(std::uint32_t at, const Known& known, Register reg,
                                        unsigned depth = 8);
  // Of an address, with the CPU's own base.
  std::optional<VirtAddr> address(std::uint32_t at, const Known& known, const AddressForm& form,
                                  unsigned depth = 8);

  // Does that place of the stack belong to functions that were called since?
  bool is_overwritten(VirtAddr address) const;

  // Who called (or jumped, as its last deed), when `entry` is known at this function's entry. Null:
  // it cannot be told, or somebody else called and jumped on to here.
  Activation* caller(const Known& entry);
  // Of a caller: the call names the function that it led to (or the register that it went through
  // holds it).
  bool proven() const { return proven_; }

 private:
  Activation(Machine& machine, Function function, std::uint32_t index, const Known& known,
             VirtAddr floor = VirtAddr{0});

  static std::unique_ptr<Activation> jumping(Machine& machine, VirtAddr callee, VirtAddr function,
                                             const Known& entry);
  std::optional<std::uint64_t> value_set_by(const Definition& definition, Register reg,
                                            unsigned depth);

  Machine& machine_;
  Function function_;
  Dataflow flow_;
  VirtAddr floor_;
  std::uint32_t index_;
  Known known_;
  bool proven_ = true;
  std::optional<std::unique_ptr<Activation>> caller_;
};

// The register that a call goes through, also by way of a thunk against Spectre. kNoRegister: none.
Register called_through(const Machine& machine, const Operation& call);

// An integer of up to 8 bytes.
std::optional<std::uint64_t> load_number(const VirtMemory& memory, VirtAddr at, unsigned bytes);

}  // namespace rig::analyzer
