// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "fakes/code_bytes.h"

namespace rig::analyzer {
namespace {

using fake::bytes_of;
using fake::names;
using fake::words_of;
using Kind = Operation::Kind;

Operation x86(std::initializer_list<unsigned> code) {
  return fake::decoded(Arch::kX86_64, bytes_of(code));
}
Operation arm64(std::uint32_t word) {
  return fake::decoded(Arch::kArm64, words_of({word}));
}
std::string reg(Arch arch, Register number) {
  return std::string(instruction_set(arch).name(number));
}
std::string xreg(Register number) {
  return reg(Arch::kX86_64, number);
}
std::string areg(Register number) {
  return reg(Arch::kArm64, number);
}

TEST(X86Decoder, LoadsTellAddressSizeAndSign) {
  const auto word = x86({0x49, 0x8b, 0x5c, 0x24, 0x08});  // mov 0x8(%r12),%rbx
  EXPECT_EQ(word.kind, Kind::kLoad);
  EXPECT_EQ(xreg(word.to), "RBX");
  EXPECT_EQ(xreg(word.memory.base), "R12");
  EXPECT_EQ(word.memory.displacement, 8);
  EXPECT_EQ(word.bytes, 8);
  const auto byte = x86({0x0f, 0xb6, 0x47, 0x7e});  // movzbl 0x7e(%rdi),%eax
  EXPECT_EQ(byte.kind, Kind::kLoad);
  EXPECT_EQ(byte.bytes, 1);
  EXPECT_FALSE(byte.is_signed);
  const auto indexed = x86({0x49, 0x8b, 0x5c, 0x04, 0x30});  // mov 0x30(%r12,%rax),%rbx
  EXPECT_EQ(xreg(indexed.memory.index), "RAX");
}

TEST(X86Decoder, TheCpusOwnAreaIsSeen) {
  // add %gs:0x1234(%rip),%rcx at 0x1000
  const auto sum = x86({0x65, 0x48, 0x03, 0x0d, 0x34, 0x12, 0x00, 0x00});
  EXPECT_EQ(sum.kind, Kind::kAddLoaded);
  EXPECT_TRUE(sum.memory.per_cpu);
  EXPECT_EQ(sum.memory.base, kNoRegister);
  EXPECT_EQ(sum.memory.displacement, 0x1000 + 8 + 0x1234);
}

TEST(X86Decoder, PartsOfRegistersAreTheWholeAndNotTakenForCopies) {
  const auto low = x86({0x88, 0xc3});  // mov %al,%bl
  EXPECT_EQ(low.kind, Kind::kOther);
  EXPECT_EQ(names(Arch::kX86_64, low.writes), "RBX");
  const auto half = x86({0x41, 0x89, 0xf5});  // mov %esi,%r13d
  EXPECT_EQ(half.kind, Kind::kMove);
  EXPECT_EQ(half.bytes, 4);
  EXPECT_EQ(x86({0x31, 0xc0}).kind, Kind::kConstant);  // xor %eax,%eax
}

TEST(X86Decoder, CallsLoseWhatTheCalleeMayUse) {
  const auto call = x86({0xff, 0x50, 0x18});  // call *0x18(%rax)
  EXPECT_EQ(call.kind, Kind::kCall);
  EXPECT_TRUE(call.accesses);
  EXPECT_EQ(names(Arch::kX86_64, call.writes), "RAX RCX RDX RSI RDI R08 R09 R10 R11");
}

TEST(X86Decoder, UpdatesSumsAndTraps) {
  EXPECT_EQ(x86({0x48, 0xff, 0x40, 0x08}).kind, Kind::kUpdate);  // incq 0x8(%rax)
  const auto sub = x86({0x48, 0x83, 0xec, 0x10});                // sub $0x10,%rsp
  EXPECT_EQ(sub.kind, Kind::kSum);
  EXPECT_EQ(sub.memory.displacement, -0x10);
  EXPECT_EQ(x86({0x0f, 0x0b}).kind, Kind::kTrap);
  EXPECT_EQ(x86({0x48, 0x0f, 0x44, 0xcb}).kind, Kind::kSelect);  // cmove %rbx,%rcx
  EXPECT_EQ(x86({0x06}).kind, Kind::kUnknown);
}

TEST(Arm64Decoder, LoadsTellAddressSizeAndSign) {
  const auto word = arm64(0xf9400733);  // ldr x19, [x25, #8]
  EXPECT_EQ(word.kind, Kind::kLoad);
  EXPECT_EQ(areg(word.to), "x19");
  EXPECT_EQ(areg(word.memory.base), "x25");
  EXPECT_EQ(word.memory.displacement, 8);
  const auto with_sign = arm64(0xb8a4d862);  // ldrsw x2, [x3, w4, sxtw #2]
  EXPECT_TRUE(with_sign.is_signed);
  EXPECT_EQ(with_sign.bytes, 4);
  EXPECT_EQ(areg(with_sign.memory.index), "x4");
  EXPECT_EQ(with_sign.memory.scale, 4u);
  EXPECT_EQ(with_sign.memory.index_bytes, 4);
  EXPECT_TRUE(with_sign.memory.index_signed);
}

TEST(Arm64Decoder, PairsAndTheBasesThatTheyMove) {
  const auto pair = arm64(0xa9425bf5);  // ldp x21, x22, [sp, #32]
  EXPECT_EQ(names(Arch::kArm64, pair.writes), "x21 x22");
  EXPECT_EQ(areg(pair.memory.base), "sp");
  const auto push = arm64(0xa9bb7bfd);  // stp x29, x30, [sp, #-80]!
  EXPECT_EQ(push.kind, Kind::kStore);
  EXPECT_EQ(push.moved_by, -80);
  EXPECT_EQ(names(Arch::kArm64, push.writes), "sp");
  const auto after = arm64(0xf8410420);  // ldr x0, [x1], #16
  EXPECT_EQ(after.memory.displacement, 0);
  EXPECT_EQ(areg(after.moved_base), "x1");
  EXPECT_EQ(after.moved_by, 16);
}

TEST(Arm64Decoder, BranchesTellWhatTheyLookedAt) {
  const auto zero = arm64(0xb5ffff93);  // cbnz x19, -0x10
  EXPECT_EQ(zero.kind, Kind::kBranch);
  ASSERT_TRUE(zero.test);
  EXPECT_EQ(areg(zero.test->reg), "x19");
  EXPECT_FALSE(zero.test->zero_taken);
  EXPECT_EQ(zero.target, VirtAddr{0x1000 - 0x10});
  const auto bit = arm64(0x371ffe20);  // tbnz w0, #3
  ASSERT_TRUE(bit.test);
  EXPECT_EQ(bit.test->mask, 8u);
  EXPECT_EQ(arm64(0xd65f03c0).kind, Kind::kReturn);
  EXPECT_EQ(arm64(0xd4210000).kind, Kind::kTrap);  // brk #0x800
}

TEST(Arm64Decoder, AddressesCopiesAndSpecialRegisters) {
  EXPECT_EQ(arm64(0x8b020079).kind, Kind::kSum);   // add x25, x3, x2
  EXPECT_EQ(arm64(0xaa1303e0).kind, Kind::kMove);  // mov x0, x19
  const auto minus = arm64(0x92800001);            // mov x1, #-1
  EXPECT_EQ(minus.kind, Kind::kConstant);
  EXPECT_EQ(minus.value, ~std::uint64_t{0});
  EXPECT_EQ(arm64(0xd5384100).kind, Kind::kCurrent);     // mrs x0, sp_el0
  EXPECT_EQ(arm64(0xd538d081).kind, Kind::kPerCpuBase);  // mrs x1, tpidr_el1
  EXPECT_EQ(arm64(0x9a931033).kind, Kind::kSelect);      // csel x19, x1, x19, ne
  const auto page = arm64(0x90000000);                   // adrp x0, 0
  EXPECT_EQ(page.value, 0x1000u);
}

TEST(Arm64Decoder, WhatIsNotKnownWritesAllThatItsFieldsName) {
  const auto atomic = arm64(0xb8a30022);  // ldadda w3, w2, [x1]
  EXPECT_EQ(atomic.kind, Kind::kUpdate);
  EXPECT_EQ(names(Arch::kArm64, atomic.writes), "x2");
  EXPECT_EQ(arm64(0xd503233f).writes, 0u) << "paciasp: the same return address";
  EXPECT_FALSE(arm64(0xf9800051).accesses) << "prfm does not fault";
  EXPECT_EQ(arm64(0).kind, Kind::kUnknown);
}

}  // namespace
}  // namespace rig::analyzer
