// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "analyzer/code/disassembler.h"
#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using fake::KernelCore;
using testing::HasSubstr;
using testing::Not;

// push %rbp; call twin; mov sample(%rip),%rax; (bad); ret
class InspectDis : public testing::Test {
 protected:
  static constexpr std::uint64_t kFirst = KernelCore::kText + 0x40;

  InspectDis() {
    core_.put(kFirst, std::uint8_t{0x55});
    core_.put(kFirst + 1, std::uint8_t{0xe8});
    core_.put(kFirst + 2, static_cast<std::int32_t>(0x40 - 6));
    core_.put(kFirst + 6, std::uint8_t{0x48});
    core_.put(kFirst + 7, std::uint8_t{0x8b});
    core_.put(kFirst + 8, std::uint8_t{0x05});
    core_.put(kFirst + 9, static_cast<std::int32_t>(KernelCore::kSample - (kFirst + 13)));
    core_.put(kFirst + 13, std::uint8_t{0x06});
    core_.put(kFirst + 14, std::uint8_t{0xc3});
    core_.put(KernelCore::kSample, std::uint64_t{0x106});
  }

  KernelCore core_;
};

TEST_F(InspectDis, TargetsAndDataAreNamedAndBadBytesAreSaid) {
  const std::string text = core_.text("dis first");
  EXPECT_THAT(text, HasSubstr("  0xffffffff81000040 <first>:\tpushq  %rbp\n"));
  EXPECT_THAT(text, HasSubstr("<first+1>:\tcallq  0xffffffff81000080 <twin>\n"));
  EXPECT_THAT(text, HasSubstr("# 0xffffffff81800100 <sample> = 0x106\n"));
  EXPECT_THAT(text, HasSubstr("<first+13>:\t(bad)\n"));
  EXPECT_THAT(text, HasSubstr("<first+14>:\tretq\n"));
  EXPECT_THAT(text, Not(HasSubstr("<second>:"))) << "the function ends where the next begins";
}

TEST_F(InspectDis, CountsAndEndsAreKept) {
  EXPECT_THAT(core_.text("dis first 1"), Not(HasSubstr("first+1")));
  const std::string up_to = core_.text("dis -r first+6");
  EXPECT_THAT(up_to, HasSubstr("<first>:"));
  EXPECT_THAT(up_to, HasSubstr("<first+6>:"));
  EXPECT_THAT(up_to, Not(HasSubstr("<first+13>:")));
  EXPECT_THAT(core_.text("dis first+6 0"), HasSubstr("usage: dis"));
}

TEST_F(InspectDis, CodeOnAPageThatIsNotThereIsSaid) {
  const std::string text = core_.text(fmt::format("dis {:x} 3", KernelCore::kHole));
  EXPECT_THAT(text, HasSubstr("<page excluded at 0xffffffff81900000>"));
}

TEST(Disassembler, Arm64AddressesOfTwoInstructionsAreKnownAtTheSecond) {
  auto disassembler = Disassembler::open(Arch::kArm64);
  ASSERT_TRUE(disassembler) << disassembler.error().message();
  // adrp x0, page; ldr x1, [x0, #8]; adrp x2, page; add x2, x2, #16; bl +8; paciasp; 0xffffffff
  const std::uint32_t words[] = {0xb0000000, 0xf9400401, 0xb0000002, 0x91004042,
                                 0x94000002, 0xd503233f, 0xffffffff};
  const auto bytes = std::as_bytes(std::span(words));
  const VirtAddr at{0xffff'8000'0800'0000};
  std::vector<Instruction> found;
  for (std::uint64_t i = 0; i < bytes.size(); i += 4) {
    found.push_back(disassembler->next(bytes.subspan(i), at + i));
  }
  EXPECT_EQ(found[1].data, at + 0x1008);
  EXPECT_EQ(found[1].fetched, 8u);
  EXPECT_EQ(found[3].data, at + 0x1010);
  EXPECT_EQ(found[3].fetched, 0u);
  EXPECT_EQ(found[4].target, at + 24);
  EXPECT_EQ(found[5].text, "paciasp");
  EXPECT_EQ(found[6].text, "(bad)");
  EXPECT_EQ(found[6].size, 4u);
}

TEST(Disassembler, PerCpuVariablesOfX86AreTold) {
  auto disassembler = Disassembler::open(Arch::kX86_64);
  ASSERT_TRUE(disassembler);
  const std::uint8_t code[] = {0x65, 0x48, 0x8b, 0x1c, 0x25, 0x80, 0xfb, 0x01, 0x00};
  const auto found = disassembler->next(std::as_bytes(std::span(code)), VirtAddr{0x1000});
  EXPECT_EQ(found.size, 9u);
  EXPECT_EQ(found.per_cpu, VirtAddr{0x1fb80});
  EXPECT_EQ(found.data, std::nullopt);
  const auto cut = disassembler->next(std::as_bytes(std::span(code)).first(4), VirtAddr{0x1000});
  EXPECT_EQ(cut.text, "(bad)");
  EXPECT_EQ(cut.size, 1u);
}

}  // namespace
}  // namespace rig::analyzer
