// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/x86_64_registers.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kPrstatusGsBase = 176;

// struct pt_regs (arch/x86/include/asm/ptrace.h), which a user_regs_struct begins with.
constexpr RegisterSlot kFrame[] = {
    {"RIP", 128}, {"RSP", 152}, {"RAX", 80},  {"RBX", 40},     {"RCX", 88},
    {"RDX", 96},  {"RSI", 104}, {"RDI", 112}, {"RBP", 32},     {"R08", 72},
    {"R09", 64},  {"R10", 56},  {"R11", 48},  {"R12", 24},     {"R13", 16},
    {"R14", 8},   {"R15", 0},   {"CS", 136},  {"EFLAGS", 144}, {"SS", 160},
};

// QEMU's note, struct QEMUCPUState in target/i386/arch_dump.c: version, size, 18 registers, ten
// segments of 24 bytes (cs ds es fs gs ss ldt tr gdt idt), CR0 to CR4, kernel_gs_base.
constexpr std::uint64_t kQemuGsBase = 8 + 18 * 8 + 4 * 24 + 16;
constexpr std::uint64_t kQemuCr = 8 + 18 * 8 + 10 * 24;
constexpr std::uint64_t kQemuKernelGsBase = kQemuCr + 5 * 8;

constexpr std::uint64_t kCr3Address = 0x000f'ffff'ffff'f000;

constexpr std::uint64_t kKernelCs = 0x10;
constexpr std::uint64_t kKernelDs = 0x18;
constexpr std::uint64_t kFlagsAlwaysSet = 1 << 1;
constexpr std::uint64_t kFlagsNeverSet = ~0x3f'7fd7ull;

}  // namespace

std::optional<CpuState> decode_x86_64_cpu(const CpuNote& note) {
  const auto area = slice(note.prstatus, kPrstatusRegisters, 27 * sizeof(std::uint64_t));
  if (!area) return std::nullopt;
  auto registers = decode_slots(kFrame, *area);
  if (!registers) return std::nullopt;

  CpuState state;
  state.registers = std::move(*registers);
  state.pc = VirtAddr{register_value(state.registers, "RIP").value_or(0)};
  state.sp = VirtAddr{register_value(state.registers, "RSP").value_or(0)};
  state.user_mode = (register_value(state.registers, "CS").value_or(0) & 3) != 0;
  state.per_cpu_bases.push_back(load<std::uint64_t>(*area, kPrstatusGsBase).value_or(0));
  if (const auto gs = load<std::uint64_t>(note.qemu, kQemuGsBase)) {
    state.per_cpu_bases.push_back(*gs);
  }
  // In user mode the kernel's base waits in MSR_KERNEL_GS_BASE for swapgs.
  if (const auto gs = load<std::uint64_t>(note.qemu, kQemuKernelGsBase)) {
    state.per_cpu_bases.push_back(*gs);
  }
  state.fault_address = load<std::uint64_t>(note.qemu, kQemuCr + 2 * 8);
  if (const auto cr3 = load<std::uint64_t>(note.qemu, kQemuCr + 3 * 8)) {
    state.page_table_root = PhysAddr{*cr3 & kCr3Address};
  }
  state.cr4 = load<std::uint64_t>(note.qemu, kQemuCr + 4 * 8);
  return state;
}

std::optional<SavedFrame> decode_x86_64_frame(ByteView bytes, VirtAddr at) {
  // The cheap tests first: this runs on every word of every stack.
  const auto cs = load<std::uint64_t>(bytes, 136);
  if (cs != kKernelCs) return std::nullopt;
  const auto ss = load<std::uint64_t>(bytes, 160);
  if (ss != kKernelDs && ss != std::uint64_t{0}) return std::nullopt;
  const auto flags = load<std::uint64_t>(bytes, 144);
  if (!flags || (*flags & kFlagsAlwaysSet) == 0 || (*flags & kFlagsNeverSet) != 0) {
    return std::nullopt;
  }
  auto registers = decode_slots(kFrame, bytes);
  if (!registers) return std::nullopt;
  SavedFrame frame{at, {}, {}, std::move(*registers)};
  frame.pc = VirtAddr{register_value(frame.registers, "RIP").value_or(0)};
  frame.sp = VirtAddr{register_value(frame.registers, "RSP").value_or(0)};
  if (static_cast<std::int64_t>(raw(frame.sp)) >= 0) return std::nullopt;
  return frame;
}

std::optional<SavedFrame> decode_x86_64_pt_regs(ByteView bytes, VirtAddr at) {
  auto registers = decode_slots(kFrame, bytes);
  const auto orig_rax = load<std::uint64_t>(bytes, 120);
  if (!registers || !orig_rax) return std::nullopt;
  registers->push_back({"ORIG_RAX", *orig_rax});
  SavedFrame frame{at, {}, {}, *std::move(registers)};
  frame.pc = VirtAddr{register_value(frame.registers, "RIP").value_or(0)};
  frame.sp = VirtAddr{register_value(frame.registers, "RSP").value_or(0)};
  return frame;
}

}  // namespace rig::analyzer
