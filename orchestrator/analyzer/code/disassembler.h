// SPDX-License-Identifier: Apache-2.0
// Machine code of the core's architecture, whatever the host's, through Capstone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/arch.h"
#include "base/bytes.h"
#include "base/error.h"

namespace rig::analyzer {

struct Instruction {
  VirtAddr at{};
  std::uint64_t size = 0;
  std::string text;                      // "callq  0xffffffff81a52dd0"; "(bad)"
  std::optional<VirtAddr> target;        // of a call or jump that names one
  std::optional<VirtAddr> data;          // that it reads, writes or takes the address of
  std::optional<VirtAddr> per_cpu;       // the same of a per-CPU variable: as the linker placed it
  std::optional<std::uint64_t> fetched;  // bytes that it reads or writes at `data`; 0: an address
};

class Disassembler {
 public:
  // Blame::kRig when this Capstone does not know the architecture.
  static Result<Disassembler> open(Arch arch);
  Disassembler(Disassembler&&) noexcept;
  Disassembler& operator=(Disassembler&&) noexcept;
  ~Disassembler();

  // The instruction at the start of `bytes`, which lie at `at`. Always takes at least one byte;
  // what is no instruction is "(bad)". On arm64 an address that two instructions make is known at
  // the second, so call it in order.
  Instruction next(ByteView bytes, VirtAddr at);

  // The longest instruction, and how instructions are aligned.
  std::uint64_t longest() const;
  std::uint64_t step() const;

 private:
  struct State;
  explicit Disassembler(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace rig::analyzer
