// SPDX-License-Identifier: Apache-2.0
#include "analyzer/code/arm64_decoder.h"

#include <algorithm>
#include <bit>

namespace rig::analyzer {
namespace {

using Kind = Operation::Kind;

// What a hypervisor or firmware call may change: SMC Calling Convention (Arm DEN 0028), 2.6.
constexpr RegisterSet kFirmwareWrites = 0x0003'ffff;
constexpr RegisterSet kArm64CallWrites = 0x4003'ffff;

std::int64_t extend(std::uint64_t value, unsigned bits) {
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return static_cast<std::int64_t>((value ^ sign) - sign);
}

// One word, by its fields.
class Word {
 public:
  Word(std::uint32_t word, VirtAddr at) : word_(word) {
    out_.at = at;
    out_.size = 4;
    out_.kind = Kind::kOther;
  }

  Operation decode() {
    const std::uint32_t group = bits(25, 4);  // op0 of the top-level table
    if ((group & 0b1110) == 0b1000) immediate();
    if ((group & 0b1110) == 0b1010) branch();
    if ((group & 0b0101) == 0b0100) access();
    if ((group & 0b0111) == 0b0101) registers();
    if ((group & 0b0111) == 0b0111) vector();
    if ((group & 0b1110) == 0b0000 || group == 0b0010) any();
    return out_;
  }

 private:
  std::uint32_t bits(unsigned from, unsigned count) const {
    return word_ >> from & ((1u << count) - 1);
  }
  bool is(std::uint32_t mask, std::uint32_t value) const { return (word_ & mask) == value; }
  // 31 is the zero register ...
  Register reg(unsigned from) const {
    const auto number = static_cast<Register>(bits(from, 5));
    return number == 31 ? kNoRegister : number;
  }
  // ... or the stack pointer.
  Register reg_or_stack(unsigned from) const { return static_cast<Register>(bits(from, 5)); }
  bool wide() const { return bits(31, 1) != 0; }

  // An instruction that is not known: general registers are written by these fields only.
  void any() { out_.writes = set_of(reg(0)) | set_of(reg(5)) | set_of(reg(10)) | set_of(reg(16)); }
  void writes(Register to) {
    out_.to = to;
    out_.writes = set_of(to);
  }
  void sum(Register to, AddressForm form) {
    writes(to);
    if (!wide()) return;
    out_.kind = Kind::kSum;
    out_.memory = form;
  }
  void constant(Register to, std::uint64_t value) {
    writes(to);
    out_.kind = Kind::kConstant;
    out_.value = wide() ? value : value & 0xffff'ffff;
  }

  void immediate() {
    if (is(0x1f00'0000, 0x1000'0000)) return relative();
    if (is(0x1f80'0000, 0x1100'0000)) return add_immediate();
    if (is(0x1f80'0000, 0x1280'0000)) return move_wide();
    if (is(0x1f80'0000, 0x1200'0000)) return logical_immediate();
    writes(reg(0));
    const bool shift = is(0x7f80'0000, 0x5300'0000) && bits(10, 6) == (wide() ? 63u : 31u);
    if (!shift || !wide()) return;
    out_.kind = Kind::kShiftRight;
    out_.from = reg(5);
    out_.value = bits(16, 6);
  }

  // The immediate is a run of ones, rotated, in elements of 2 to 64 bits: Arm ARM, DecodeBitMasks.
  void logical_immediate() {
    const bool sets_flags = bits(29, 2) == 3;
    out_.sets_flags = sets_flags;
    writes(sets_flags ? reg(0) : reg_or_stack(0));
    const unsigned ones = bits(10, 6), rotate = bits(16, 6);
    // Of what is kept when pointers are cut to their upper bits: 64-bit elements.
    if (bits(29, 2) != 0 || !wide() || bits(22, 1) == 0 || ones == 63) return;
    const std::uint64_t run = (std::uint64_t{1} << (ones + 1)) - 1;
    out_.kind = Kind::kAnd;
    out_.from = reg(5);
    out_.value = std::rotr(run, static_cast<int>(rotate));
  }

  // adr, adrp
  void relative() {
    const bool page = bits(31, 1) != 0;
    const auto offset = extend(bits(5, 19) << 2 | bits(29, 2), 21);
    writes(reg(0));
    out_.kind = Kind::kConstant;
    out_.value = page ? align_down(raw(out_.at), 4096) + (static_cast<std::uint64_t>(offset) << 12)
                      : raw(out_.at) + static_cast<std::uint64_t>(offset);
  }

  void add_immediate() {
    const bool sets_flags = bits(29, 1) != 0;
    out_.sets_flags = sets_flags;
    const std::int64_t by = std::int64_t{bits(10, 12)} << (bits(22, 1) ? 12 : 0);
    AddressForm form;
    form.base = reg_or_stack(5);
    form.displacement = bits(30, 1) ? -by : by;
    if (sets_flags) out_.from = reg(5);
    sum(sets_flags ? reg(0) : reg_or_stack(0), form);
  }

  void move_wide() {
    const std::uint64_t value = std::uint64_t{bits(5, 16)} << (bits(21, 2) * 16);
    switch (bits(29, 2)) {
      case 0:
        return constant(reg(0), ~value);
      case 2:
        return constant(reg(0), value);
      default:
        return writes(reg(0));  // movk keeps the rest
    }
  }

  void jump_to(Kind kind, unsigned from, unsigned count) {
    out_.kind = kind;
    out_.target = out_.at + static_cast<std::uint64_t>(extend(bits(from, count), count)) * 4;
    if (kind == Kind::kCall) out_.writes = kArm64CallWrites;
  }

  void branch() {
    if (is(0xfc00'0000, 0x1400'0000)) return jump_to(Kind::kJump, 0, 26);
    if (is(0xfc00'0000, 0x9400'0000)) return jump_to(Kind::kCall, 0, 26);
    if (is(0xff00'0000, 0x5400'0000)) {
      jump_to(Kind::kBranch, 5, 19);
      if (bits(0, 4) >= 14) out_.kind = Kind::kJump;  // always
      return;
    }
    if (is(0x7e00'0000, 0x3400'0000)) {
      jump_to(Kind::kBranch, 5, 19);
      out_.test = BranchTest{reg(0), wide() ? ~std::uint64_t{0} : 0xffff'ffff, bits(24, 1) == 0};
      return;
    }
    if (is(0x7e00'0000, 0x3600'0000)) {
      jump_to(Kind::kBranch, 5, 14);
      const unsigned bit = bits(31, 1) << 5 | bits(19, 5);
      out_.test = BranchTest{reg(0), std::uint64_t{1} << bit, bits(24, 1) == 0};
      return;
    }
    if (is(0xfe00'0000, 0xd600'0000)) return branch_register();
    if (is(0xff00'0000, 0xd400'0000)) return exception();
    system();
  }

  void branch_register() {
    out_.from = reg(5);
    switch (bits(21, 4) & 0b0111) {
      case 0:
        out_.kind = Kind::kJump;
        break;
      case 1:
        out_.kind = Kind::kCall;
        out_.writes = kArm64CallWrites;
        break;
      default:
        out_.kind = Kind::kReturn;
        out_.from = kNoRegister;
    }
  }

  void exception() {
    if (is(0xffe0'001f, 0xd420'0000)) {
      out_.kind = Kind::kTrap;
      return;
    }
    out_.writes = kFirmwareWrites;
  }

  void system() {
    // Hints and barriers. Those that sign or check a return address leave it the same address.
    if (!is(0xfff0'0000, 0xd530'0000)) {
      if (is(0xfff8'0000, 0xd528'0000)) writes(reg(0));  // sysl
      return;
    }
    writes(reg(0));
    switch (word_ & 0xffff'ffe0) {
      case 0xd538'4100:  // sp_el0: include/asm/current.h
        out_.kind = Kind::kCurrent;
        break;
      case 0xd538'd080:  // tpidr_el1 and tpidr_el2: include/asm/percpu.h
      case 0xd53c'd040:
        out_.kind = Kind::kPerCpuBase;
        break;
      default:
        break;
    }
  }

  // --- loads and stores ---

  void access() {
    if (is(0x3b00'0000, 0x1800'0000)) return literal();
    if (is(0x3a00'0000, 0x2800'0000)) return pair();
    if (is(0x3b00'0000, 0x3900'0000)) return single(std::int64_t{bits(10, 12)} << scale());
    if (is(0x3b20'0000, 0x3800'0000)) return unscaled();
    if (is(0x3b20'0c00, 0x3820'0800)) return by_register();
    if (is(0x3b20'0c00, 0x3820'0000)) return atomic();
    if (is(0x3f00'0000, 0x0800'0000)) return exclusive();
    any();
    if (bits(26, 1) != 0) out_.writes = set_of(reg(5)) | set_of(reg(16));  // vectors: bases only
    out_.memory.base = reg_or_stack(5);
    out_.accesses = true;
    out_.kind = Kind::kUpdate;
  }

  bool is_vector() const { return bits(26, 1) != 0; }
  unsigned scale() const { return is_vector() && bits(23, 1) != 0 ? 4 : bits(30, 2); }

  void literal() {
    if (bits(30, 2) == 3 || is_vector()) return;  // prfm; a vector register
    writes(reg(0));
    out_.kind = Kind::kLoad;
    out_.accesses = true;
    out_.memory.displacement =
        static_cast<std::int64_t>(raw(out_.at)) + extend(bits(5, 19), 19) * 4;
    out_.bytes = bits(30, 2) == 1 ? 8 : 4;
    out_.is_signed = bits(30, 2) == 2;
  }

  // By opc: a store, a load, a load with sign.
  void take_registers() {
    out_.accesses = true;
    out_.bytes = static_cast<std::uint8_t>(1u << scale());
    if (is_vector()) {
      out_.kind = bits(22, 1) != 0 ? Kind::kOther : Kind::kStore;
      return;
    }
    if (bits(30, 2) == 3 && bits(22, 2) == 2) {  // prfm goes nowhere
      out_.accesses = false;
      out_.kind = Kind::kOther;
      return;
    }
    if (bits(22, 2) == 0) {
      out_.kind = Kind::kStore;
      out_.from = reg(0);
      return;
    }
    out_.kind = Kind::kLoad;
    writes(reg(0));
    out_.is_signed = bits(22, 2) >= 2;
    out_.to_bytes = bits(22, 2) == 3 ? 4 : 8;
  }

  void single(std::int64_t displacement) {
    take_registers();
    out_.memory.base = reg_or_stack(5);
    out_.memory.displacement = displacement;
  }

  void moves_base(std::int64_t by) {
    out_.moved_base = reg_or_stack(5);
    out_.moved_by = by;
    out_.writes |= set_of(out_.moved_base);
  }

  void unscaled() {
    const auto offset = extend(bits(12, 9), 9);
    const bool after = bits(10, 2) == 1, before = bits(10, 2) == 3;
    single(after ? 0 : offset);
    if (after || before) moves_base(offset);
  }

  void by_register() {
    single(0);
    const unsigned option = bits(13, 3);
    out_.memory.index = reg(16);
    out_.memory.scale = bits(12, 1) != 0 ? std::uint64_t{1} << scale() : 1;
    out_.memory.index_bytes = (option & 1) != 0 ? 8 : 4;
    out_.memory.index_signed = option == 6;
  }

  void pair() {
    const unsigned size = is_vector() ? 4u << bits(30, 2) : bits(30, 2) == 2 ? 8 : 4;
    const auto offset = extend(bits(15, 7), 7) * static_cast<std::int64_t>(size);
    const bool load = bits(22, 1) != 0;
    out_.accesses = true;
    out_.bytes = static_cast<std::uint8_t>(size);
    out_.memory.base = reg_or_stack(5);
    if (is_vector()) {
      out_.kind = load ? Kind::kOther : Kind::kStore;
    } else if (load) {
      out_.kind = Kind::kLoad;
      out_.to = reg(0);
      out_.to2 = reg(10);
      out_.is_signed = bits(30, 2) == 1;
      out_.writes = set_of(out_.to) | set_of(out_.to2);
    } else {
      out_.kind = Kind::kStore;
      out_.from = reg(0);
      out_.from2 = reg(10);
    }
    const unsigned form = bits(23, 3);
    if (form != 1) out_.memory.displacement = offset;
    if (form == 1 || form == 3) moves_base(offset);
  }

  // ldadd, swp and their like: Rs is combined with memory, whose old value goes to Rt. ldapr.
  void atomic() {
    out_.kind = Kind::kUpdate;
    out_.accesses = true;
    out_.bytes = static_cast<std::uint8_t>(1u << bits(30, 2));
    out_.memory.base = reg_or_stack(5);
    writes(reg(0));
    if (bits(12, 4) == 0b1100) out_.kind = Kind::kLoad;
  }

  // ldxr, stxr, ldar, stlr, cas, casp
  void exclusive() {
    const bool load = bits(22, 1) != 0, ordered = bits(23, 1) != 0, o1 = bits(21, 1) != 0;
    out_.accesses = true;
    out_.bytes = static_cast<std::uint8_t>(1u << bits(30, 2));
    out_.memory.base = reg_or_stack(5);
    if (o1 && !ordered && bits(31, 1) != 0) {  // ldxp, stxp
      out_.kind = Kind::kUpdate;
      out_.writes = load ? set_of(reg(0)) | set_of(reg(10)) : set_of(reg(16));
    } else if (o1) {  // cas, casp: what was there goes to Rs (and the one behind it)
      out_.kind = Kind::kUpdate;
      out_.writes = set_of(reg(16));
      if (!ordered && reg(16) < 30) out_.writes |= set_of(static_cast<Register>(reg(16) + 1));
    } else if (load) {
      out_.kind = Kind::kLoad;
      writes(reg(0));
    } else {
      out_.kind = Kind::kStore;
      out_.from = reg(0);
      if (!ordered) out_.writes = set_of(reg(16));  // stxr says whether it did
    }
  }

  // --- arithmetic between registers ---

  void registers() {
    if (is(0x1f00'0000, 0x0a00'0000)) return logical();
    if (is(0x1f20'0000, 0x0b00'0000)) return add_shifted();
    if (is(0x1f20'0000, 0x0b20'0000)) return add_extended();
    if (is(0x7fe0'0c00, 0x1a80'0000)) return select();
    if (is(0x1fe0'0000, 0x1a40'0000)) {  // ccmp, ccmn: flags only
      out_.sets_flags = true;
      return;
    }
    writes(reg(0));
  }

  void logical() {
    writes(reg(0));
    out_.sets_flags = bits(29, 2) == 3;
    const bool moves = is(0x7fe0'ffe0, 0x2a00'03e0);
    if (!moves) return;
    out_.from = reg(16);
    out_.kind = out_.from == kNoRegister ? Kind::kConstant : Kind::kMove;
    out_.bytes = wide() ? 8 : 4;
  }

  void add_shifted() {
    AddressForm form;
    form.base = reg(5);
    form.index = reg(16);
    form.scale = std::uint64_t{1} << bits(10, 6);
    out_.sets_flags = bits(29, 1) != 0;
    const bool subtracts = bits(30, 1) != 0, left = bits(22, 2) == 0;
    if (subtracts || !left) return writes(reg(0));
    sum(reg(0), form);
  }

  void add_extended() {
    const unsigned option = bits(13, 3);
    constexpr std::uint8_t kBytes[] = {1, 2, 4, 8};
    const bool sets_flags = bits(29, 1) != 0;
    out_.sets_flags = sets_flags;
    const Register to = sets_flags ? reg(0) : reg_or_stack(0);
    if (bits(30, 1) != 0) return writes(to);
    AddressForm form;
    form.base = reg_or_stack(5);
    form.index = reg(16);
    form.scale = std::uint64_t{1} << bits(10, 3);
    form.index_bytes = kBytes[option & 3];
    form.index_signed = option >= 4;
    sum(to, form);
  }

  void select() {
    writes(reg(0));
    if (!wide() || reg(5) == kNoRegister || reg(16) == kNoRegister) return;
    out_.kind = Kind::kSelect;
    out_.from = reg(5);
    out_.from2 = reg(16);
  }

  // Vector arithmetic: some of it puts its result into a general register.
  void vector() { out_.writes = set_of(reg(0)); }

  std::uint32_t word_;
  Operation out_;
};

class Arm64Decoder final : public Decoder {
 public:
  Operation decode(ByteView bytes, VirtAddr at) override {
    const auto word = load<std::uint32_t>(bytes);
    if (!word || *word == 0) {
      Operation none;
      none.at = at;
      none.size = static_cast<std::uint8_t>(std::min<std::size_t>(bytes.size(), 4));
      return none;
    }
    return Word(*word, at).decode();
  }
};

}  // namespace

Result<std::unique_ptr<Decoder>> open_arm64_decoder() {
  return std::make_unique<Arm64Decoder>();
}

}  // namespace rig::analyzer
