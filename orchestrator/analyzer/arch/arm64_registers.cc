// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/arm64_registers.h"

namespace rig::analyzer {
namespace {

// struct user_pt_regs, which a pt_regs begins with (arch/arm64/include/uapi/asm/ptrace.h).
constexpr std::uint64_t kX29 = 29 * 8, kSp = 248, kPc = 256, kPstate = 264;
constexpr RegisterSlot kUserRegisters[] = {
    {"pc", kPc},  {"sp", kSp},  {"pstate", kPstate}, {"x0", 0},    {"x1", 8},    {"x2", 16},
    {"x3", 24},   {"x4", 32},   {"x5", 40},          {"x6", 48},   {"x7", 56},   {"x8", 64},
    {"x9", 72},   {"x10", 80},  {"x11", 88},         {"x12", 96},  {"x13", 104}, {"x14", 112},
    {"x15", 120}, {"x16", 128}, {"x17", 136},        {"x18", 144}, {"x19", 152}, {"x20", 160},
    {"x21", 168}, {"x22", 176}, {"x23", 184},        {"x24", 192}, {"x25", 200}, {"x26", 208},
    {"x27", 216}, {"x28", 224}, {"x29", kX29},       {"x30", 240},
};

// PSTATE.M: the exception level in bits 3 and 2, bit 0 whether it uses its own stack pointer; bit
// 4 is set in the 32-bit state.
constexpr std::uint64_t kModeMask = 0xf, kAarch32 = 1 << 4;
constexpr std::uint64_t kEl1t = 4, kEl1h = 5, kEl2t = 8, kEl2h = 9;  // EL2: with FEAT_VHE
// SPSR_EL1 has nothing above bit 36 so far.
constexpr unsigned kPstateBits = 36;

std::optional<SavedFrame> decode(ByteView bytes, VirtAddr at) {
  auto registers = decode_slots(kUserRegisters, bytes);
  if (!registers) return std::nullopt;
  SavedFrame frame{at, {}, {}, std::move(*registers)};
  frame.pc = VirtAddr{load<std::uint64_t>(bytes, kPc).value_or(0)};
  frame.sp = VirtAddr{load<std::uint64_t>(bytes, kSp).value_or(0)};
  return frame;
}

bool has_record_of_exception(ByteView bytes) {
  const auto word = [&](std::uint64_t offset) { return load<std::uint64_t>(bytes, offset); };
  if (word(kArm64Record) == word(kX29) && word(kArm64Record + 8) == word(kPc)) return true;
  return word(kArm64TypedRecord) == std::uint64_t{0} &&
         word(kArm64TypedRecord + 8) == std::uint64_t{0} &&
         word(kArm64TypedRecord + 16) == kArm64ExceptionRecord;
}

}  // namespace

std::optional<CpuState> decode_arm64_cpu(const CpuNote& note) {
  const auto area = slice(note.prstatus, kPrstatusRegisters, kPstate + 8);
  const auto frame = area ? decode(*area, {}) : std::nullopt;
  if (!frame) return std::nullopt;
  CpuState state;
  state.pc = frame->pc;
  state.sp = frame->sp;
  const auto pstate = register_value(frame->registers, "pstate").value_or(0);
  state.user_mode = (pstate & kModeMask) == 0;
  state.registers = frame->registers;
  return state;
}

std::optional<SavedFrame> decode_arm64_frame(ByteView bytes, VirtAddr at) {
  // The cheap tests first: this runs on every word of every stack.
  const auto pstate = load<std::uint64_t>(bytes, kPstate);
  if (!pstate || *pstate >> kPstateBits != 0 || (*pstate & kAarch32) != 0) return std::nullopt;
  const auto mode = *pstate & kModeMask;
  if (mode != kEl1t && mode != kEl1h && mode != kEl2t && mode != kEl2h) return std::nullopt;
  const auto sp = load<std::uint64_t>(bytes, kSp);
  if (!sp || (*sp >> 55 & 1) == 0 || *sp % 16 != 0) return std::nullopt;
  if (bytes.size() < kArm64FrameSize || !has_record_of_exception(bytes)) return std::nullopt;
  return decode(bytes, at);
}

std::optional<SavedFrame> decode_arm64_user_frame(ByteView bytes, VirtAddr at) {
  const auto pstate = load<std::uint64_t>(bytes, kPstate);
  if (!pstate || *pstate >> kPstateBits != 0) return std::nullopt;
  if ((*pstate & kAarch32) == 0 && (*pstate & kModeMask) != 0) return std::nullopt;
  return decode(bytes, at);
}

}  // namespace rig::analyzer
