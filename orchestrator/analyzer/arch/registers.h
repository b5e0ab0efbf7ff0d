// SPDX-License-Identifier: Apache-2.0
// What a CPU held: decoded from a dump's notes, or from a frame that the entry code saved.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "analyzer/core/core.h"
#include "analyzer/findings.h"

namespace rig::analyzer {

// Where a register lies within a struct.
struct RegisterSlot {
  std::string_view name;  // as the kernel prints it: "RAX", "x0"
  std::uint16_t offset;
};

// Where pr_reg lies in struct elf_prstatus (include/uapi/linux/elfcore.h), of both architectures.
inline constexpr std::uint64_t kPrstatusRegisters = 112;

// One CPU when the machine was stopped.
struct CpuState {
  VirtAddr pc{};
  VirtAddr sp{};
  bool user_mode = false;
  std::vector<RegisterValue> registers;
  std::vector<std::uint64_t> per_cpu_bases;    // where the CPU may keep its per-CPU base
  std::optional<std::uint64_t> fault_address;  // CR2, FAR
  std::optional<PhysAddr> page_table_root;     // the address in CR3, TTBR
  std::optional<std::uint64_t> cr4;            // x86_64 only
};

// A frame that could be a struct pt_regs saved in kernel mode.
struct SavedFrame {
  VirtAddr at{};
  VirtAddr pc{};
  VirtAddr sp{};
  std::vector<RegisterValue> registers;
};

std::optional<std::uint64_t> register_value(std::span<const RegisterValue> registers,
                                            std::string_view name);

// All 64-bit slots of `bytes`; nothing when one lies outside.
std::optional<std::vector<RegisterValue>> decode_slots(std::span<const RegisterSlot> slots,
                                                       ByteView bytes);

}  // namespace rig::analyzer
