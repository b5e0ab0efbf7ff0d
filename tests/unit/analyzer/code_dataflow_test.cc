// SPDX-License-Identifier: Apache-2.0
#include "analyzer/code/dataflow.h"

#include <gmock/gmock.h>

#include "analyzer/code/activation.h"
#include "fakes/code_bytes.h"
#include "fakes/fake_memory.h"

namespace rig::analyzer {
namespace {

using fake::bytes_of;
using fake::words_of;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

constexpr std::uint64_t kCode = 0xffff'ffff'8100'0000;
constexpr std::uint64_t kStack = 0xffff'c900'0000'1000;

class CodeDataflow : public testing::Test {
 protected:
  void use(Arch arch, const std::vector<std::byte>& code) {
    set_ = &instruction_set(arch);
    const auto decoder = fake::decoder_of(arch);
    function_.emplace("function", VirtAddr{kCode}, code, *decoder);
    flow_.emplace(*function_, *set_, memory_);
  }
  std::uint32_t at(std::uint64_t offset) const { return *function_->at(VirtAddr{kCode + offset}); }
  Register reg(std::string_view name) const { return set_->number(name); }
  Reaching reaching(std::uint64_t offset, std::string_view name, const Known& known = {}) const {
    return flow_->reaching(at(offset), known, Location::of(reg(name)));
  }
  // Offsets of the operations that may have set it; -1: the caller.
  std::vector<long> places(const Reaching& found) const {
    std::vector<long> all;
    for (const Definition& each : found.all) {
      all.push_back(each.at == Definition::kEntry
                        ? -1
                        : static_cast<long>((*function_)[each.at].at - VirtAddr{kCode}));
    }
    return all;
  }

  fake::FakeVirtMemory memory_;
  const InstructionSet* set_ = nullptr;
  std::optional<Function> function_;
  std::optional<Dataflow> flow_;
};

TEST_F(CodeDataflow, TwoWaysGiveTwoDefinitions) {
  // test %esi,%esi; je 1f; mov 8(%rdi),%rbx; jmp 2f; 1: mov 16(%rdi),%rbx; 2: mov (%rbx),%rax
  use(Arch::kX86_64, bytes_of({0x85, 0xf6, 0x74, 0x06, 0x48, 0x8b, 0x5f, 0x08, 0xeb, 0x04, 0x48,
                               0x8b, 0x5f, 0x10, 0x48, 0x8b, 0x03}));
  EXPECT_THAT(places(reaching(14, "RBX")), UnorderedElementsAre(4, 10));
  EXPECT_THAT(places(reaching(14, "RDI")), ElementsAre(-1));
}

TEST_F(CodeDataflow, AWayThatTheValueRulesOutIsNotTaken) {
  // mov 8(%rdi),%rbx; test %rbx,%rbx; jne 2f; mov 16(%rdi),%rbx; 2: mov (%rbx),%rax
  use(Arch::kX86_64, bytes_of({0x48, 0x8b, 0x5f, 0x08, 0x48, 0x85, 0xdb, 0x75, 0x04, 0x48, 0x8b,
                               0x5f, 0x10, 0x48, 0x8b, 0x03}));
  Known known;
  known.set(reg("RBX"), 0);
  EXPECT_THAT(places(reaching(13, "RBX", known)), ElementsAre(9));
}

TEST_F(CodeDataflow, ALoopLeadsBackToItself) {
  // mov 8(%rdi),%rbx; 1: mov (%rbx),%rbx; test %rbx,%rbx; jne 1b
  use(Arch::kX86_64,
      bytes_of({0x48, 0x8b, 0x5f, 0x08, 0x48, 0x8b, 0x1b, 0x48, 0x85, 0xdb, 0x75, 0xf8}));
  Known known;
  known.set(reg("RBX"), 0x106);
  known.set(reg("RDI"), 0x2000);
  const Reaching found = reaching(4, "RBX", known);
  EXPECT_THAT(places(found), UnorderedElementsAre(0, 4));
  EXPECT_TRUE(found.complete);
  for (const Definition& each : found.all) {
    EXPECT_EQ(each.before.get(reg("RDI")), 0x2000u) << "nothing changes it on any way";
    EXPECT_EQ(each.before.get(reg("RBX")), std::nullopt);
  }
}

TEST_F(CodeDataflow, CallsLoseSomeRegistersAndKeepOthers) {
  // push %rbx; mov 8(%rdi),%rbx; mov 16(%rdi),%rsi; call; mov (%rsi),%rax
  use(Arch::kX86_64, bytes_of({0x53, 0x48, 0x8b, 0x5f, 0x08, 0x48, 0x8b, 0x77, 0x10, 0xe8, 0xfb,
                               0x00, 0x00, 0x00, 0x48, 0x8b, 0x06}));
  EXPECT_THAT(places(reaching(14, "RSI")), ElementsAre(9)) << "the call itself";
  Known known;
  known.set(reg("RDI"), 5);
  const Reaching found = reaching(14, "RBX", known);
  ASSERT_THAT(places(found), ElementsAre(1));
  EXPECT_FALSE(found.all[0].before.has(reg("RDI"))) << "RDI is another one behind the call";
}

TEST_F(CodeDataflow, PushedRegistersAreTheCallersAgain) {
  // push %rbp; push %rbx; mov %rdi,%rbp; xor %ebx,%ebx; xor %edi,%edi; mov 0x20(%rbp),%rax
  use(Arch::kX86_64,
      bytes_of({0x55, 0x53, 0x48, 0x89, 0xfd, 0x31, 0xdb, 0x31, 0xff, 0x48, 0x8b, 0x45, 0x20}));
  memory_.put(kStack, std::uint64_t{0xbb});
  memory_.put(kStack + 8, std::uint64_t{0xbf});
  Known known;
  known.set(reg("RSP"), kStack);
  known.set(reg("RBP"), 0x1234);
  const Reaching found = flow_->reaching(at(9), known, Location{});
  ASSERT_THAT(places(found), ElementsAre(-1));
  const Known& entry = found.all[0].before;
  EXPECT_EQ(entry.get(reg("RSP")), kStack + 16);
  EXPECT_EQ(entry.get(reg("RBX")), 0xbbu);
  EXPECT_EQ(entry.get(reg("RBP")), 0xbfu);
  EXPECT_EQ(entry.get(reg("RDI")), 0x1234u) << "it was copied to RBP";
}

TEST_F(CodeDataflow, Arm64SavesAreTheCallersAgain) {
  // stp x29, x30, [sp, #-80]!; mov x29, sp; str x25, [sp, #64]; add x25, x3, x2; ldr x19, [x25, #8]
  use(Arch::kArm64, words_of({0xa9bb7bfd, 0x910003fd, 0xf90023f9, 0x8b020079, 0xf9400733}));
  memory_.put(kStack, std::uint64_t{0x29});
  memory_.put(kStack + 8, std::uint64_t{0x30});
  memory_.put(kStack + 64, std::uint64_t{0x25});
  Known known;
  known.set(reg("sp"), kStack);
  known.set(reg("x25"), 0x1000);
  known.set(reg("x2"), 0x2c0);
  const Reaching found = flow_->reaching(at(16), known, Location{});
  ASSERT_THAT(places(found), ElementsAre(-1));
  const Known& entry = found.all[0].before;
  EXPECT_EQ(entry.get(reg("sp")), kStack + 80);
  EXPECT_EQ(entry.get(reg("x30")), 0x30u);
  EXPECT_EQ(entry.get(reg("x25")), 0x25u);
  EXPECT_EQ(entry.get(reg("x3")), 0x1000u - 0x2c0) << "the sum solved for its other part";
}

TEST_F(CodeDataflow, BytesThatAreNoCodeEndWhatIsKnown) {
  // mov 8(%rdi),%rbx; (bad); mov (%rbx),%rax
  use(Arch::kX86_64, bytes_of({0x48, 0x8b, 0x5f, 0x08, 0x06, 0x48, 0x8b, 0x03}));
  EXPECT_THAT(places(reaching(5, "RBX")), ElementsAre(4));
}

TEST_F(CodeDataflow, AStackSlotWasSetByThePushThatIsThere) {
  // push %rbx; mov %rsi,8(%rsp); mov (%rsp),%rax
  use(Arch::kX86_64, bytes_of({0x53, 0x48, 0x89, 0x74, 0x24, 0x08, 0x48, 0x8b, 0x04, 0x24}));
  Known known;
  known.set(reg("RSP"), kStack);
  EXPECT_THAT(places(flow_->reaching(at(6), known, Location::of(VirtAddr{kStack}))),
              ElementsAre(0));
  EXPECT_THAT(places(flow_->reaching(at(6), known, Location::of(VirtAddr{kStack + 8}))),
              ElementsAre(1));
}

}  // namespace
}  // namespace rig::analyzer
