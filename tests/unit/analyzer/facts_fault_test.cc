// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "analyzer/facts/fault_check.h"
#include "analyzer/facts/fault_trace.h"
#include "analyzer/facts/fault_words.h"
#include "fakes/code_bytes.h"
#include "fakes/orc_kernel.h"

namespace rig::analyzer {
namespace {

using fake::bytes_of;
using fake::OrcKernel;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using End = Trail::End;

constexpr std::uint64_t kFreed = 0xffff'8880'0510'0000;
constexpr std::uint64_t kPacket = 0xffff'8880'0520'0000;

// A kernel of a few functions, one of which faulted.
class FaultTraceTest : public testing::Test {
 protected:
  FaultTraceTest() {
    for (const auto at : {kFreed, kPacket}) kernel_.memory.put(at, std::uint64_t{0});
  }

  std::uint64_t function(const std::string& name, std::initializer_list<unsigned> code) {
    const auto at = kernel_.function(name);
    kernel_.memory.pages.write(at, bytes_of(code));
    return at;
  }
  // Its argument by BTF: a pointer to `type`.
  void takes(const char* name, int type) {
    btf* types = kernel_.types.raw();
    const int pointer = kernel_.types.pointer(type);
    const int prototype = btf__add_func_proto(types, 0);
    btf__add_func_param(types, "it", pointer);
    btf__add_func(types, name, BTF_FUNC_STATIC, prototype);
  }
  void set(std::string_view reg, std::uint64_t value) { known_.set(set_.number(reg), value); }

  Followed follow(std::uint64_t pc, std::string_view reg) {
    decoder_ = fake::decoder_of(Arch::kX86_64);
    text_.emplace(*Disassembler::open(Arch::kX86_64));
    machine_.emplace(Machine{kernel_.kernel(), set_, *decoder_, OrcKernel::kPerCpu, {}});
    types_.emplace(*machine_);
    trace_.emplace(*machine_, *types_, *text_, kernel_.stacks);
    here_ = Activation::at(*machine_, VirtAddr{pc}, known_);
    if (!here_) return {};
    const Register number = set_.number(reg);
    return trace_->follow(*here_, here_->index(), known_, Location::of(number),
                          known_.get(number).value_or(0));
  }

  OrcKernel kernel_;
  const InstructionSet& set_ = instruction_set(Arch::kX86_64);
  Known known_;
  std::unique_ptr<Decoder> decoder_;
  std::optional<Disassembler> text_;
  std::optional<Machine> machine_;
  std::optional<TypeFlow> types_;
  std::optional<FaultTrace> trace_;
  std::unique_ptr<Activation> here_;
};

TEST_F(FaultTraceTest, AValueIsFollowedThroughCopiesAndSumsToItsMemory) {
  // mov 8(%rdi),%rbx; mov %rbx,%rax; lea 0x10(%rax),%rcx; mov (%rcx),%rdx
  const auto at = function("victim", {0x48, 0x8b, 0x5f, 0x08, 0x48, 0x89, 0xd8, 0x48, 0x8d, 0x48,
                                      0x10, 0x48, 0x8b, 0x11, 0xc3});
  kernel_.memory.put(kFreed + 8, std::uint64_t{0xdead'0000});
  set("RDI", kFreed);
  set("RCX", 0xdead'0010);
  const Followed found = follow(at + 11, "RCX");
  ASSERT_TRUE(found.source);
  EXPECT_EQ(found.source->end, End::kConfirmed);
  EXPECT_EQ(found.source->memory, VirtAddr{kFreed + 8});
  ASSERT_THAT(found.steps, SizeIs(3));
  EXPECT_EQ(found.steps[0].reg, "RCX");
  EXPECT_EQ(found.steps[2].reg, "RBX");
  EXPECT_EQ(found.steps[2].value, 0xdead'0000u);
  EXPECT_TRUE(found.steps[2].confirmed);
}

TEST_F(FaultTraceTest, MemoryThatHoldsSomethingElseProvesNothing) {
  const auto at = function("victim", {0x48, 0x8b, 0x5f, 0x08, 0x48, 0x8b, 0x03, 0xc3});
  kernel_.memory.put(kFreed + 8, std::uint64_t{0x5555});
  set("RDI", kFreed);
  set("RBX", 0xdead'0000);
  const Followed found = follow(at + 4, "RBX");
  ASSERT_THAT(found.steps, SizeIs(1));
  EXPECT_FALSE(found.steps[0].confirmed);
  ASSERT_TRUE(found.source);
  EXPECT_EQ(found.source->end, End::kChanged);
  EXPECT_THAT(found.steps[0].words, HasSubstr("holds 0x5555 by now"));
}

TEST_F(FaultTraceTest, OfTwoWaysTheOneWhoseMemoryHoldsItIsTaken) {
  // test %esi,%esi; je 1f; mov 8(%rdi),%rbx; jmp 2f; 1: mov 16(%rdi),%rbx; 2: mov (%rbx),%rax
  const auto at = function("victim", {0x85, 0xf6, 0x74, 0x06, 0x48, 0x8b, 0x5f, 0x08, 0xeb, 0x04,
                                      0x48, 0x8b, 0x5f, 0x10, 0x48, 0x8b, 0x03, 0xc3});
  kernel_.memory.put(kFreed + 16, std::uint64_t{0x106});
  set("RDI", kFreed);
  set("RBX", 0x106);
  const Followed found = follow(at + 14, "RBX");
  ASSERT_TRUE(found.source);
  EXPECT_EQ(found.source->memory, VirtAddr{kFreed + 16});
}

TEST_F(FaultTraceTest, TwoPlacesThatBothHoldItAreNoAnswer) {
  const auto at = function("victim", {0x85, 0xf6, 0x74, 0x06, 0x48, 0x8b, 0x5f, 0x08, 0xeb, 0x04,
                                      0x48, 0x8b, 0x5f, 0x10, 0x48, 0x8b, 0x03, 0xc3});
  kernel_.memory.put(kFreed + 8, std::uint64_t{0x106});
  kernel_.memory.put(kFreed + 16, std::uint64_t{0x106});
  set("RDI", kFreed);
  set("RBX", 0x106);
  const Followed found = follow(at + 14, "RBX");
  EXPECT_FALSE(found.source);
  EXPECT_THAT(found.steps, IsEmpty());
}

TEST_F(FaultTraceTest, NullIsEverywhereSoAnotherWayMakesItNoAnswer) {
  // mov 8(%rdi),%rbx; test %esi,%esi; je 1f; call f; mov %rax,%rbx; 1: mov (%rbx),%rcx
  const auto at = function("victim", {0x48, 0x8b, 0x5f, 0x08, 0x85, 0xf6, 0x74, 0x08, 0xe8, 0x00,
                                      0x10, 0x00, 0x00, 0x48, 0x89, 0xc3, 0x48, 0x8b, 0x0b, 0xc3});
  set("RDI", kFreed);
  set("RBX", 0);
  EXPECT_FALSE(follow(at + 16, "RBX").source);
}

TEST_F(FaultTraceTest, WhatACallMayHaveChangedIsNotComputedWith) {
  // mov 8(%rdi),%rbx; call f; mov (%rbx),%rax
  const auto at = function(
      "victim", {0x48, 0x8b, 0x5f, 0x08, 0xe8, 0x00, 0x10, 0x00, 0x00, 0x48, 0x8b, 0x03, 0xc3});
  kernel_.memory.put(kFreed + 8, std::uint64_t{0x106});
  set("RDI", kFreed);  // of something else by now
  set("RBX", 0x106);
  const Followed found = follow(at + 9, "RBX");
  ASSERT_TRUE(found.source);
  EXPECT_EQ(found.source->end, End::kLoaded);
  EXPECT_EQ(found.source->memory, std::nullopt);
}

TEST_F(FaultTraceTest, ALoopIsLeftWhereMemoryShowsTheValue) {
  // mov 8(%rdi),%rbx; 1: mov (%rbx),%rbx; test %rbx,%rbx; jne 1b; ret
  const auto at = function(
      "victim", {0x48, 0x8b, 0x5f, 0x08, 0x48, 0x8b, 0x1b, 0x48, 0x85, 0xdb, 0x75, 0xf8, 0xc3});
  set("RDI", kFreed);
  set("RBX", 0x106);
  const Followed unknown = follow(at + 4, "RBX");
  ASSERT_TRUE(unknown.source);
  EXPECT_EQ(unknown.source->end, End::kLoaded) << "a node before, which one is not known";
  kernel_.memory.put(kFreed + 8, std::uint64_t{0x106});
  const Followed found = follow(at + 4, "RBX");
  ASSERT_TRUE(found.source);
  EXPECT_EQ(found.source->memory, VirtAddr{kFreed + 8});
}

TEST_F(FaultTraceTest, AListIsWalkedToTheElementThatHoldsTheValue) {
  // mov 8(%rdi),%rbx; 1: mov (%rbx),%rbx; test %rbx,%rbx; jne 1b; ret
  const auto at = function(
      "victim", {0x48, 0x8b, 0x5f, 0x08, 0x48, 0x8b, 0x1b, 0x48, 0x85, 0xdb, 0x75, 0xf8, 0xc3});
  kernel_.memory.put(kFreed + 8, kFreed + 0x100);
  kernel_.memory.put(kFreed + 0x100, kFreed + 0x200);
  kernel_.memory.put(kFreed + 0x200, std::uint64_t{0xdead'0000'0000'0100});
  set("RDI", kFreed);
  set("RBX", 0xdead'0000'0000'0100);
  const Followed found = follow(at + 4, "RBX");
  ASSERT_TRUE(found.source);
  EXPECT_EQ(found.source->end, End::kConfirmed);
  EXPECT_EQ(found.source->memory, VirtAddr{kFreed + 0x200});
  EXPECT_THAT(found.steps.back().words, HasSubstr("element 2 of the list"));
}

TEST_F(FaultTraceTest, AListThatBitesItsTailIsLeft) {
  const auto at = function(
      "victim", {0x48, 0x8b, 0x5f, 0x08, 0x48, 0x8b, 0x1b, 0x48, 0x85, 0xdb, 0x75, 0xf8, 0xc3});
  kernel_.memory.put(kFreed + 8, kFreed + 0x100);
  kernel_.memory.put(kFreed + 0x100, kFreed + 0x100);
  set("RDI", kFreed);
  set("RBX", 0xdead'0000'0000'0100);
  const Followed found = follow(at + 4, "RBX");
  ASSERT_TRUE(found.source);
  EXPECT_EQ(found.source->end, End::kLoaded);
}

TEST_F(FaultTraceTest, AJumpAtAFunctionsEndIsFollowedAndItsFrameIsNotRead) {
  // outer: call middle
  const auto outer = function("outer", {0xe8, 0xfb, 0x00, 0x00, 0x00, 0xc3});
  // middle: push %rbx; mov %rdi,%rbx; mov 8(%rbx),%rdi; mov %rbx,%rsi; pop %rbx; jmp victim
  function("middle", {0x53, 0x48, 0x89, 0xfb, 0x48, 0x8b, 0x7b, 0x08, 0x48, 0x89, 0xde, 0x5b, 0xe9,
                      0xef, 0x00, 0x00, 0x00});
  // victim: mov (%rdi),%rax
  const auto victim = function("victim", {0x48, 0x8b, 0x07, 0xc3});
  const auto sp = OrcKernel::kStack + 0x1000;
  kernel_.push(sp, outer + 5);
  kernel_.push(sp - 8, 0xbad);
  kernel_.memory.put(kFreed + 8, std::uint64_t{0x106});
  set("RSP", sp);
  set("RDI", 0x106);
  set("RSI", kFreed);
  const Followed found = follow(victim, "RDI");
  ASSERT_TRUE(found.source);
  EXPECT_EQ(found.source->end, End::kConfirmed);
  EXPECT_EQ(found.source->memory, VirtAddr{kFreed + 8});
  EXPECT_EQ(found.steps[0].words, "middle went on to victim with it");
}

TEST_F(FaultTraceTest, AnArgumentIsFollowedIntoTheCaller) {
  // caller: push %rbx; mov 0x18(%rdi),%rbx; mov %rbx,%rdi; call callee; pop %rbx; ret
  const auto caller = function("caller", {0x53, 0x48, 0x8b, 0x5f, 0x18, 0x48, 0x89, 0xdf, 0xe8,
                                          0xf3, 0x00, 0x00, 0x00, 0x5b, 0xc3});
  // callee: push %rbp; push %rbx; mov %rdi,%rbp; xor %ebx,%ebx; xor %edi,%edi; mov 0x20(%rbp),%rax
  const auto callee = function("callee", {0x55, 0x53, 0x48, 0x89, 0xfd, 0x31, 0xdb, 0x31, 0xff,
                                          0x48, 0x8b, 0x45, 0x20, 0xc3});
  const auto sp = OrcKernel::kStack + 0x1000;
  kernel_.push(sp, 0xdead'beef);  // RBX, as the caller has it
  kernel_.push(sp + 8, 0);
  kernel_.push(sp + 16, caller + 13);
  set("RSP", sp);
  set("RBP", 0xdead'beef);
  const Followed found = follow(callee + 9, "RBP");
  ASSERT_THAT(found.steps, SizeIs(4));
  EXPECT_EQ(found.steps[1].words, "caller called callee with it");
  EXPECT_EQ(found.steps[3].at.address, VirtAddr{caller + 1}) << "where it loaded it from";
  EXPECT_FALSE(found.steps[3].confirmed) << "the caller's own argument is gone";
}

TEST_F(FaultTraceTest, MembersAreNamedAndHeadPlusEndIsTheSharedInfo) {
  auto& types = kernel_.types;
  const int u32 = types.integer("u32", 4), any = types.pointer();
  const int packet = types.structure("sk_buff", 0x100, {{"end", u32, 0xc0}, {"head", any, 0xc8}});
  types.structure("skb_shared_info", 0x140, {{"flags", u32, 0}, {"frag_list", any, 8}});
  takes("release", packet);
  // mov %rdi,%r13; mov 0xc0(%rdi),%r12d; add 0xc8(%rdi),%r12; xor %edi,%edi; mov 8(%r12),%rbx;
  // mov (%rbx),%rbx
  const auto at = function("release", {0x49, 0x89, 0xfd, 0x44, 0x8b, 0xa7, 0xc0, 0x00, 0x00, 0x00,
                                       0x4c, 0x03, 0xa7, 0xc8, 0x00, 0x00, 0x00, 0x31, 0xff, 0x49,
                                       0x8b, 0x5c, 0x24, 0x08, 0x48, 0x8b, 0x1b, 0xc3});
  kernel_.memory.put(kFreed + 0x2c8, std::uint64_t{0x106});
  set("R12", kFreed + 0x2c0);
  set("R13", kPacket);
  set("RBX", 0x106);
  const Followed found = follow(at + 24, "RBX");
  ASSERT_TRUE(found.source);
  ASSERT_TRUE(found.source->place);
  EXPECT_EQ(found.source->place->member.path, "skb_shared_info.frag_list");
  EXPECT_EQ(found.source->place->because, "sk_buff.head + sk_buff.end");
  EXPECT_EQ(found.source->place->cast_owner, kPacket);
  EXPECT_EQ(found.source->memory, VirtAddr{kFreed + 0x2c8});
}

TEST_F(FaultTraceTest, KasansCheckIsSeenThrough) {
  // mov 8(%rdi),%rbx; lea 0x38(%rbx),%rcx; mov %rcx,%rdx; shr $3,%rdx; cmpb $0,(%rdx,%rax)
  const auto at = function("victim", {0x48, 0x8b, 0x5f, 0x08, 0x48, 0x8d, 0x4b, 0x38, 0x48, 0x89,
                                      0xca, 0x48, 0xc1, 0xea, 0x03, 0x80, 0x3c, 0x02, 0x00, 0xc3});
  set("RDI", kFreed);
  set("RBX", 0);
  set("RCX", 0x38);
  set("RDX", 7);
  set("RAX", 0xdffffc0000000000);
  (void)follow(at + 15, "RDX");
  const auto checked = trace_->kasan_check(*here_, here_->index(), known_);
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->address, 0x38u);
  EXPECT_EQ(set_.name(checked->reg), "RBX");
  EXPECT_EQ(checked->value, 0u);
  set("RAX", 0);
  EXPECT_FALSE(trace_->kasan_check(*here_, here_->index(), known_));
}

TEST_F(FaultTraceTest, ACheckTellsItsBranchAndWhatMemoryHolds) {
  // cmpl $7,0x40(%rdi); jne 1f; ret; 1: ud2
  const auto at = function("victim", {0x83, 0x7f, 0x40, 0x07, 0x75, 0x01, 0xc3, 0x0f, 0x0b});
  kernel_.memory.put(kFreed + 0x40, std::uint32_t{5});
  set("RDI", kFreed);
  (void)follow(at + 7, "RDI");
  ASSERT_TRUE(here_);
  FaultFacts facts;
  explain_check(*here_, *trace_, facts);
  ASSERT_THAT(facts.steps, SizeIs(1));
  EXPECT_EQ(facts.steps[0].at.address, VirtAddr{at + 4});
  EXPECT_THAT(facts.verdict, HasSubstr("was taken, decided by cmpl $7, 0x40(%rdi), where "
                                       "0xffff888005100040 holds 0x5"));
}

TEST_F(FaultTraceTest, TheVerdictSaysWhatWasWantedAndThatItIsNotProven) {
  FaultFacts facts;
  facts.access = "read";
  facts.reg = "RBP";
  facts.offset = 0x28;
  facts.address = 0x28;
  facts.member = "kmem_cache.offset";
  EXPECT_EQ(verdict_of(facts, {}, kernel_.kernel()),
            "RBP was NULL, read 0x28 behind it (kmem_cache.offset); where the value came from is "
            "not proven");
  facts.value = 0xdead'0000'0000'0100;
  EXPECT_THAT(verdict_of(facts, {}, kernel_.kernel()), HasSubstr("LIST_POISON1"));
  facts.value = static_cast<std::uint64_t>(-12);
  EXPECT_THAT(verdict_of(facts, {}, kernel_.kernel()), HasSubstr("the error -12"));
}

TEST_F(FaultTraceTest, OfTwoTermsTheOneThatIsNoAddressIsSuspected) {
  (void)follow(0, "RBX");
  const AddressForm form{3, 0, 1, 8, false, 0, false};  // RBX + RAX
  EXPECT_EQ(trace_->suspect(form, kFreed, 0x10), 0) << "there is memory at the base";
  EXPECT_EQ(trace_->suspect(form, 0x1234'5678'9abc, 0x10), 3);
  EXPECT_EQ(trace_->suspect(form, 0x10, 0x1234'5678'9abc), 0);
  EXPECT_EQ(trace_->suspect(form, 0, 0x10), 3);
}

}  // namespace
}  // namespace rig::analyzer
