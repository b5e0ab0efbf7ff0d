// SPDX-License-Identifier: Apache-2.0
#include "analyzer/code/disassembler.h"

#include <capstone/capstone.h>
#include <fmt/format.h>

#include <map>
#include <string_view>

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kLongestX86 = 15;
constexpr std::uint64_t kArm64Size = 4;

// Hints that Capstone 4 prints by number. Arm ARM, C6.2 (HINT).
constexpr std::pair<std::uint32_t, std::string_view> kArm64Hints[] = {
    {0xd503233f, "paciasp"}, {0xd50323bf, "autiasp"}, {0xd503201f, "nop"},
    {0xd503245f, "bti c"},   {0xd503249f, "bti j"},   {0xd50324df, "bti jc"},
    {0xd50320ff, "xpaclri"}, {0xd503239f, "autiaz"},  {0xd503231f, "paciaz"},
};

}  // namespace

struct Disassembler::State {
  csh handle = 0;
  cs_insn* instruction = nullptr;
  Arch arch = Arch::kX86_64;
  std::map<unsigned, std::uint64_t> pages;  // arm64: what adrp put into a register

  ~State() {
    if (instruction) cs_free(instruction, 1);
    if (handle) cs_close(&handle);
  }

  bool in_group(unsigned group) const { return cs_insn_group(handle, instruction, group); }

  void take_x86(Instruction& out) const {
    const cs_x86& detail = instruction->detail->x86;
    const bool branch = in_group(CS_GRP_JUMP) || in_group(CS_GRP_CALL);
    for (unsigned i = 0; i < detail.op_count; ++i) {
      const cs_x86_op& each = detail.operands[i];
      if (branch && each.type == X86_OP_IMM) {
        out.target = VirtAddr{static_cast<std::uint64_t>(each.imm)};
      }
      const bool plain = each.type == X86_OP_MEM && each.mem.index == X86_REG_INVALID;
      // The kernel's GS is the CPU's own area.
      if (plain && each.mem.segment == X86_REG_GS && each.mem.base == X86_REG_INVALID) {
        out.per_cpu = VirtAddr{static_cast<std::uint64_t>(each.mem.disp)};
      } else if (plain && each.mem.segment == X86_REG_GS && each.mem.base == X86_REG_RIP) {
        out.per_cpu = out.at + out.size + static_cast<std::uint64_t>(each.mem.disp);
      } else if (plain && each.mem.base == X86_REG_RIP) {
        out.data = out.at + out.size + static_cast<std::uint64_t>(each.mem.disp);
        out.fetched = instruction->id == X86_INS_LEA ? 0 : each.size;
      }
      // A constant that is an address: mov $0xffffffff82…,%rdi.
      if (!branch && each.type == X86_OP_IMM && static_cast<std::uint64_t>(each.imm) >> 31 != 0 &&
          each.imm < -4096) {
        out.data = VirtAddr{static_cast<std::uint64_t>(each.imm)};
        out.fetched = 0;
      }
    }
  }

  void take_arm64(Instruction& out) {
    const cs_arm64& detail = instruction->detail->arm64;
    const bool branch = in_group(CS_GRP_JUMP) || in_group(CS_GRP_CALL);
    const auto operand = [&](unsigned i) -> const cs_arm64_op& { return detail.operands[i]; };
    for (unsigned i = 0; branch && i < detail.op_count; ++i) {
      if (operand(i).type == ARM64_OP_IMM) {
        out.target = VirtAddr{static_cast<std::uint64_t>(operand(i).imm)};
      }
    }
    if (branch || detail.op_count < 2 || operand(0).type != ARM64_OP_REG) return;
    if (instruction->id == ARM64_INS_ADRP || instruction->id == ARM64_INS_ADR) {
      pages[operand(0).reg] = static_cast<std::uint64_t>(operand(1).imm);
      if (instruction->id == ARM64_INS_ADR) out.data = VirtAddr{pages[operand(0).reg]};
      if (instruction->id == ARM64_INS_ADR) out.fetched = 0;
      return;
    }
    resolve_page(out);
    pages.erase(operand(0).reg);
  }

  // The second of adrp+add, adrp+ldr, adrp+str.
  void resolve_page(Instruction& out) const {
    const cs_arm64& detail = instruction->detail->arm64;
    for (unsigned i = 0; i < detail.op_count; ++i) {
      const cs_arm64_op& each = detail.operands[i];
      const unsigned base = each.type == ARM64_OP_MEM ? each.mem.base : each.reg;
      if (each.type == ARM64_OP_MEM && each.mem.index == ARM64_REG_INVALID) {
        const auto page = pages.find(base);
        if (page == pages.end()) continue;
        out.data = VirtAddr{page->second +
                            static_cast<std::uint64_t>(static_cast<std::int64_t>(each.mem.disp))};
        const std::string_view to = cs_reg_name(handle, detail.operands[0].reg);
        out.fetched = to.starts_with('x') ? 8 : 4;
      }
    }
    const bool add = instruction->id == ARM64_INS_ADD && detail.op_count == 3 &&
                     detail.operands[1].type == ARM64_OP_REG &&
                     detail.operands[2].type == ARM64_OP_IMM;
    if (!add) return;
    const auto page = pages.find(detail.operands[1].reg);
    if (page == pages.end()) return;
    out.data = VirtAddr{page->second + static_cast<std::uint64_t>(detail.operands[2].imm)};
    out.fetched = 0;
  }
};

Disassembler::Disassembler(std::unique_ptr<State> state) : state_(std::move(state)) {}
Disassembler::Disassembler(Disassembler&&) noexcept = default;
Disassembler& Disassembler::operator=(Disassembler&&) noexcept = default;
Disassembler::~Disassembler() = default;

Result<Disassembler> Disassembler::open(Arch arch) {
  auto state = std::make_unique<State>();
  state->arch = arch;
  const bool x86 = arch == Arch::kX86_64;
  const auto status = cs_open(x86 ? CS_ARCH_X86 : CS_ARCH_ARM64,
                              x86 ? CS_MODE_64 : CS_MODE_LITTLE_ENDIAN, &state->handle);
  if (status != CS_ERR_OK) {
    return fail_hint(Blame::kRig, "install libcapstone4", "Capstone does not disassemble {}: {}",
                     to_string(arch), cs_strerror(status));
  }
  cs_option(state->handle, CS_OPT_DETAIL, CS_OPT_ON);
  if (x86) cs_option(state->handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
  state->instruction = cs_malloc(state->handle);
  if (!state->instruction) return fail(Blame::kRig, "Capstone has no memory");
  return Disassembler(std::move(state));
}

std::uint64_t Disassembler::longest() const {
  return state_->arch == Arch::kX86_64 ? kLongestX86 : kArm64Size;
}

std::uint64_t Disassembler::step() const {
  return state_->arch == Arch::kX86_64 ? 1 : kArm64Size;
}

Instruction Disassembler::next(ByteView bytes, VirtAddr at) {
  Instruction out{at, std::min<std::uint64_t>(step(), bytes.size()), "(bad)", {}, {}, {}, {}};
  const auto* code = reinterpret_cast<const std::uint8_t*>(bytes.data());
  std::size_t left = bytes.size();
  std::uint64_t address = raw(at);
  if (!cs_disasm_iter(state_->handle, &code, &left, &address, state_->instruction)) return out;
  const cs_insn& found = *state_->instruction;
  out.size = found.size;
  out.text = found.op_str[0] ? fmt::format("{:<6} {}", found.mnemonic, found.op_str)
                             : std::string(found.mnemonic);
  if (state_->arch == Arch::kX86_64) {
    state_->take_x86(out);
    return out;
  }
  state_->take_arm64(out);
  const auto word = load<std::uint32_t>(bytes);
  for (const auto& [code_word, name] : kArm64Hints) {
    if (word == code_word) out.text = name;
  }
  return out;
}

}  // namespace rig::analyzer
