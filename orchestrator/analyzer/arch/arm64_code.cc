// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/arm64_code.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kInstruction = 4;
constexpr std::uint64_t kMaxPrologue = 64 * kInstruction;
constexpr std::uint64_t kMaxEpilogue = 8 * kInstruction;

struct Pattern {
  std::uint32_t mask, value;
  bool matches(std::uint32_t instruction) const { return (instruction & mask) == value; }
};

// stp x29, x30, [sp, #imm]! and [sp, #imm]
constexpr Pattern kSaves[] = {{0xffc0'7fff, 0xa980'7bfd}, {0xffc0'7fff, 0xa900'7bfd}};
// ldp x29, x30, [sp], #imm and [sp, #imm]
constexpr Pattern kRestores[] = {{0xffc0'7fff, 0xa8c0'7bfd}, {0xffc0'7fff, 0xa940'7bfd}};
constexpr Pattern kSetsX29 = {0xff80'03ff, 0x9100'03fd};  // add x29, sp, #imm; mov x29, sp
constexpr Pattern kKeepsX30InX9 = {~0u, 0xaa1e'03e9};     // mov x9, x30: ftrace's entry follows
constexpr Pattern kCall = {0xfc00'0000, 0x9400'0000};     // bl
constexpr Pattern kCallRegister = {0xfeff'f000, 0xd63f'0000};  // blr, blraa and their like
// b, b.cond, cbz and cbnz, tbz and tbnz, br, blr and ret with and without authentication
constexpr Pattern kBranches[] = {{0xfc00'0000, 0x1400'0000},
                                 {0xff00'0000, 0x5400'0000},
                                 {0x7e00'0000, 0x3400'0000},
                                 {0x7e00'0000, 0x3600'0000},
                                 {0xfe00'0000, 0xd600'0000}};

template <std::size_t N>
bool any(const Pattern (&patterns)[N], std::uint32_t instruction) {
  for (const Pattern& each : patterns) {
    if (each.matches(instruction)) return true;
  }
  return false;
}

bool leaves(std::uint32_t instruction) {
  return any(kBranches, instruction) || kCall.matches(instruction);
}

// Has an ldp taken the record back, with nothing but straight code up to `pc`?
bool restored(const Kernel& kernel, VirtAddr function, VirtAddr pc) {
  const auto before = std::min<std::uint64_t>(pc - function, kMaxEpilogue);
  std::vector<std::byte> code(before);
  if (!kernel.memory().read(pc - before, code)) return false;
  for (std::uint64_t at = before; at >= kInstruction; at -= kInstruction) {
    const auto instruction = load<std::uint32_t>(code, at - kInstruction).value_or(0);
    if (any(kRestores, instruction)) return true;
    if (leaves(instruction)) return false;
  }
  return false;
}

}  // namespace

Arm64Record arm64_record_at(const Kernel& kernel, VirtAddr function, VirtAddr pc) {
  if (pc < function || raw(pc) % kInstruction != 0 || raw(function) % kInstruction != 0) {
    return Arm64Record::kUnknown;
  }
  if (restored(kernel, function, pc)) return Arm64Record::kNotSaved;
  const auto size = std::min<std::uint64_t>(pc - function, kMaxPrologue);
  std::vector<std::byte> code(size);
  if (!kernel.memory().read(function, code)) return Arm64Record::kUnknown;
  bool straight = true, saves = false;
  std::uint32_t last = 0;
  for (std::uint64_t at = 0; at + kInstruction <= size; at += kInstruction) {
    const auto instruction = load<std::uint32_t>(code, at).value_or(0);
    saves |= any(kSaves, instruction);
    if (saves && kSetsX29.matches(instruction)) {
      return straight ? Arm64Record::kSaved : Arm64Record::kUnknown;
    }
    // A call that comes back before anything was saved is that of ftrace.
    const bool traced = kCall.matches(instruction) && kKeepsX30InX9.matches(last);
    if (leaves(instruction) && !traced) straight = false;
    last = instruction;
  }
  // A function that saves nothing on any way to `pc`; of a longer one not all was seen.
  return size == pc - function ? Arm64Record::kNotSaved : Arm64Record::kUnknown;
}

bool arm64_follows_call(const Kernel& kernel, VirtAddr address) {
  const auto before = kernel.memory().load<std::uint32_t>(address - kInstruction);
  return before && (kCall.matches(*before) || kCallRegister.matches(*before));
}

}  // namespace rig::analyzer
