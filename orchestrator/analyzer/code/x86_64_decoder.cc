// SPDX-License-Identifier: Apache-2.0
#include "analyzer/code/x86_64_decoder.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <map>
#include <string_view>

namespace rig::analyzer {
namespace {

using Kind = Operation::Kind;

constexpr Register kRax = 0, kRcx = 1, kRdx = 2, kRsp = 4, kRbp = 5;
// All that a call may change: what is not in the table's `saved`.
constexpr RegisterSet kX86CallWrites = 0x0fc7;
constexpr RegisterSet kAllRegisters = 0xffff;

// Each family from the 64-bit register down.
constexpr std::string_view kFamilies[16][5] = {
    {"rax", "eax", "ax", "al", "ah"}, {"rcx", "ecx", "cx", "cl", "ch"},
    {"rdx", "edx", "dx", "dl", "dh"}, {"rbx", "ebx", "bx", "bl", "bh"},
    {"rsp", "esp", "sp", "spl", ""},  {"rbp", "ebp", "bp", "bpl", ""},
    {"rsi", "esi", "si", "sil", ""},  {"rdi", "edi", "di", "dil", ""},
    {"r8", "r8d", "r8w", "r8b", ""},  {"r9", "r9d", "r9w", "r9b", ""},
    {"r10", "r10d", "r10w", "r10b"},  {"r11", "r11d", "r11w", "r11b"},
    {"r12", "r12d", "r12w", "r12b"},  {"r13", "r13d", "r13w", "r13b"},
    {"r14", "r14d", "r14w", "r14b"},  {"r15", "r15d", "r15w", "r15b"}};

class X86Decoder final : public Decoder {
 public:
  ~X86Decoder() override {
    if (found_) cs_free(found_, 1);
    if (handle_) cs_close(&handle_);
  }

  Status open() {
    const auto status = cs_open(CS_ARCH_X86, CS_MODE_64, &handle_);
    if (status != CS_ERR_OK) {
      return fail_hint(Blame::kRig, "install libcapstone4", "Capstone does not decode x86_64: {}",
                       cs_strerror(status));
    }
    cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON);
    found_ = cs_malloc(handle_);
    if (!found_) return fail(Blame::kRig, "Capstone has no memory");
    registers_.fill(kNoRegister);
    for (unsigned id = 1; id < X86_REG_ENDING; ++id) {
      const char* name = cs_reg_name(handle_, id);
      for (Register number = 0; name && number < 16; ++number) {
        const auto& family = kFamilies[number];
        if (std::ranges::find(family, std::string_view(name)) != std::end(family)) {
          registers_[id] = number;
        }
      }
    }
    return {};
  }

  Operation decode(ByteView bytes, VirtAddr at) override {
    out_ = {};
    out_.at = at;
    out_.size = bytes.empty() ? 0 : 1;
    const auto* code = reinterpret_cast<const std::uint8_t*>(bytes.data());
    std::size_t left = bytes.size();
    std::uint64_t address = raw(at);
    if (!cs_disasm_iter(handle_, &code, &left, &address, found_)) return out_;
    out_.size = static_cast<std::uint8_t>(found_->size);
    out_.kind = Kind::kOther;
    take_writes();
    take_memory();
    understand();
    return out_;
  }

 private:
  const cs_x86_op& operand(unsigned i) const { return found_->detail->x86.operands[i]; }
  unsigned count() const { return found_->detail->x86.op_count; }
  bool is_reg(unsigned i) const { return i < count() && operand(i).type == X86_OP_REG; }
  bool is_mem(unsigned i) const { return i < count() && operand(i).type == X86_OP_MEM; }
  bool is_imm(unsigned i) const { return i < count() && operand(i).type == X86_OP_IMM; }
  Register number(unsigned id) const {
    return id < registers_.size() ? registers_[id] : kNoRegister;
  }
  Register reg(unsigned i) const { return is_reg(i) ? number(operand(i).reg) : kNoRegister; }
  std::uint8_t size(unsigned i) const { return operand(i).size; }
  std::uint64_t imm(unsigned i) const { return static_cast<std::uint64_t>(operand(i).imm); }

  void take_writes() {
    cs_regs read, written;
    std::uint8_t reads = 0, writes = 0;
    out_.sets_flags = false;
    if (cs_regs_access(handle_, found_, read, &reads, written, &writes) != CS_ERR_OK) {
      out_.writes = kAllRegisters;
      out_.sets_flags = true;
      return;
    }
    for (unsigned i = 0; i < writes; ++i) {
      out_.writes |= set_of(number(written[i]));
      if (written[i] == X86_REG_EFLAGS) out_.sets_flags = true;
    }
    // What it says of the destination is not relied on.
    if (is_reg(0) && found_->id != X86_INS_CMP && found_->id != X86_INS_TEST &&
        found_->id != X86_INS_PUSH) {
      out_.writes |= set_of(reg(0));
    }
  }

  AddressForm form_of(const x86_op_mem& memory) const {
    AddressForm form;
    form.displacement = memory.disp;
    form.per_cpu = memory.segment == X86_REG_GS;
    if (memory.base == X86_REG_RIP) {
      form.displacement += static_cast<std::int64_t>(raw(out_.at)) + out_.size;
    } else {
      form.base = number(memory.base);
    }
    form.index = number(memory.index);
    form.scale = static_cast<std::uint64_t>(std::max(memory.scale, 1));
    return form;
  }

  void take_memory() {
    bool first = true;
    for (unsigned i = 0; i < count(); ++i) {
      if (!is_mem(i)) continue;
      if (!first) {
        out_.memory2 = form_of(operand(i).mem);
        continue;
      }
      first = false;
      out_.memory = form_of(operand(i).mem);
      out_.bytes = size(i);
      out_.accesses = found_->id != X86_INS_LEA && found_->id != X86_INS_NOP && !is_prefetch();
      if (out_.accesses && i == 0 && (operand(i).access & CS_AC_WRITE) != 0)
        out_.kind = Kind::kUpdate;
    }
  }

  bool is_prefetch() const { return std::string_view(found_->mnemonic).starts_with("prefetch"); }

  void understand() {
    switch (found_->id) {
      case X86_INS_MOV:
      case X86_INS_MOVABS:
        return move();
      case X86_INS_MOVZX:
      case X86_INS_MOVSX:
      case X86_INS_MOVSXD:
        return move_extended(found_->id != X86_INS_MOVZX);
      case X86_INS_LEA:
        return sum(reg(0), out_.memory);
      case X86_INS_ADD:
      case X86_INS_SUB:
        return add(found_->id == X86_INS_SUB);
      case X86_INS_INC:
      case X86_INS_DEC:
        return step(found_->id == X86_INS_INC ? 1 : -1);
      case X86_INS_XOR:
        if (is_reg(0) && is_reg(1) && reg(0) == reg(1) && size(0) >= 4) constant(0);
        return;
      case X86_INS_SHR:
      case X86_INS_AND:
        if (!is_reg(0) || size(0) != 8 || !is_imm(1)) return;
        out_.kind = found_->id == X86_INS_SHR ? Kind::kShiftRight : Kind::kAnd;
        out_.to = out_.from = reg(0);
        out_.value = imm(1);
        return;
      case X86_INS_TEST:
      case X86_INS_CMP:
        return compare();
      case X86_INS_PUSH:
        out_.kind = Kind::kPush;
        out_.from = reg(0);
        out_.writes = set_of(kRsp);
        return;
      case X86_INS_POP:
        out_.kind = is_reg(0) ? Kind::kPop : Kind::kUpdate;
        out_.to = reg(0);
        out_.writes = set_of(kRsp) | set_of(reg(0));
        return;
      case X86_INS_LEAVE:
        out_.writes = set_of(kRsp) | set_of(kRbp);
        return;
      default:
        return understand_more();
    }
  }

  void understand_more() {
    switch (found_->id) {
      case X86_INS_CALL:
        out_.writes = kX86CallWrites;
        return go(Kind::kCall);
      case X86_INS_JMP:
        return go(Kind::kJump);
      case X86_INS_RET:
      case X86_INS_RETF:
      case X86_INS_IRET:
      case X86_INS_IRETD:
      case X86_INS_IRETQ:
      case X86_INS_SYSRET:
        out_.kind = Kind::kReturn;
        return;
      case X86_INS_UD2:
      case X86_INS_UD2B:
      case X86_INS_INT3:
        out_.kind = Kind::kTrap;
        return;
      case X86_INS_DIV:
      case X86_INS_IDIV:
        out_.from = reg(0);
        out_.writes = set_of(kRax) | set_of(kRdx);
        return;
      case X86_INS_CPUID:
      case X86_INS_RDMSR:
      case X86_INS_RDTSC:
      case X86_INS_RDTSCP:
        out_.writes |= set_of(kRax) | set_of(kRdx) | set_of(kRcx) | set_of(3);
        return;
      default:
        break;
    }
    const std::string_view name = found_->mnemonic;
    if (name.starts_with("cmov")) return select();
    if (cs_insn_group(handle_, found_, CS_GRP_JUMP)) {
      out_.kind = Kind::kBranch;
      if (is_imm(0)) out_.target = VirtAddr{imm(0)};
      // Whether the last comparison was equal; function.cc finds that comparison.
      if (found_->id == X86_INS_JE || found_->id == X86_INS_JNE) {
        out_.test = BranchTest{kNoRegister, 0, found_->id == X86_INS_JE};
      }
    }
  }

  void move() {
    if (is_reg(0) && is_mem(1)) {
      if (size(0) < 4) return;
      return load(false);
    }
    if (is_mem(0)) {
      out_.kind = Kind::kStore;
      out_.from = reg(1);
      return;
    }
    if (!is_reg(0) || size(0) < 4) return;
    if (is_imm(1)) return constant(size(0) == 4 ? imm(1) & 0xffff'ffff : imm(1));
    if (reg(0) == kNoRegister || reg(1) == kNoRegister) return;
    out_.kind = Kind::kMove;
    out_.to = reg(0);
    out_.from = reg(1);
    out_.bytes = size(0);
  }

  void move_extended(bool is_signed) {
    if (!is_reg(0) || size(0) < 4) return;
    if (is_mem(1)) return load(is_signed);
    out_.kind = Kind::kMove;
    out_.to = reg(0);
    out_.from = reg(1);
    out_.bytes = size(1);
    out_.is_signed = is_signed;
    out_.to_bytes = size(0);
    // The second byte of a register is not its lower part.
    const std::string_view name = cs_reg_name(handle_, operand(1).reg);
    if (name.size() == 2 && name[1] == 'h') out_.kind = Kind::kOther;
  }

  void load(bool is_signed) {
    if (reg(0) == kNoRegister) return;
    out_.kind = Kind::kLoad;
    out_.to = reg(0);
    out_.bytes = size(1);
    out_.is_signed = is_signed;
    out_.to_bytes = size(0);
  }

  void constant(std::uint64_t value) {
    out_.kind = Kind::kConstant;
    out_.to = reg(0);
    out_.value = value;
  }

  void sum(Register to, const AddressForm& form) {
    if (to == kNoRegister || size(0) != 8) return;
    out_.kind = Kind::kSum;
    out_.to = to;
    out_.memory = form;
  }

  void add(bool subtracts) {
    if (!is_reg(0) || size(0) != 8) {
      if (subtracts && is_reg(0) && is_reg(1) && reg(0) == reg(1) && size(0) == 4) constant(0);
      return;
    }
    AddressForm form;
    form.base = reg(0);
    if (is_imm(1)) {
      form.displacement = subtracts ? -operand(1).imm : operand(1).imm;
      return sum(reg(0), form);
    }
    if (subtracts) {
      if (reg(0) == reg(1)) constant(0);
      return;
    }
    if (is_mem(1)) {
      out_.kind = Kind::kAddLoaded;
      out_.to = reg(0);
      return;
    }
    form.index = reg(1);
    sum(reg(0), form);
  }

  void step(std::int64_t by) {
    if (!is_reg(0)) return;
    AddressForm form;
    form.base = reg(0);
    form.displacement = by;
    sum(reg(0), form);
  }

  void select() {
    if (!is_reg(0) || !is_reg(1) || size(0) != 8) return;
    out_.kind = Kind::kSelect;
    out_.to = out_.from2 = reg(0);
    out_.from = reg(1);
  }

  // test r, r; test r, imm; cmp r, 0
  void compare() {
    out_.writes = 0;
    if (!is_reg(0) || reg(0) == kNoRegister) return;
    out_.from = reg(0);
    const std::uint64_t all =
        size(0) == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << size(0) * 8) - 1;
    const std::string_view name = cs_reg_name(handle_, operand(0).reg);
    if (name.size() == 2 && name[1] == 'h') return;
    const bool test = found_->id == X86_INS_TEST;
    if (test && is_reg(1) && operand(0).reg == operand(1).reg) out_.test = {reg(0), all, false};
    if (test && is_imm(1)) out_.test = {reg(0), imm(1) & all, false};
    if (!test && is_imm(1) && imm(1) == 0) out_.test = {reg(0), all, false};
  }

  void go(Kind kind) {
    out_.kind = kind;
    if (is_imm(0)) out_.target = VirtAddr{imm(0)};
    out_.from = reg(0);
  }

  csh handle_ = 0;
  cs_insn* found_ = nullptr;
  std::array<Register, X86_REG_ENDING> registers_{};
  Operation out_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> open_x86_64_decoder() {
  auto decoder = std::make_unique<X86Decoder>();
  RIG_TRY(decoder->open());
  return decoder;
}

}  // namespace rig::analyzer
