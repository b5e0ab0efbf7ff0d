// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/orc.h"

#include <gmock/gmock.h>

#include "fakes/orc_kernel.h"

namespace rig::analyzer {
namespace {

using fake::OrcFormat;
using fake::OrcKernel;

class OrcOfEachFormat : public testing::TestWithParam<OrcFormat> {};

TEST_P(OrcOfEachFormat, EntriesAreFoundByAnyAddressThatTheyHoldFor) {
  OrcKernel guest(GetParam());
  guest.row({.address = OrcKernel::kText + 0x100, .sp_reg = fake::kSp, .sp_offset = 8});
  guest.row({.address = OrcKernel::kText + 0x101,
             .sp_reg = fake::kBp,
             .sp_offset = 16,
             .bp_reg = fake::kPrevSp,
             .bp_offset = -16});
  guest.row({.address = OrcKernel::kText + 0x200, .end = true});
  guest.row({.address = OrcKernel::kText + 0x300,
             .sp_reg = fake::kSp,
             .type = fake::kRegs,
             .signal = true});
  guest.row({.address = OrcKernel::kText + 0x400});
  const auto find = [&](std::uint64_t offset) {
    return guest.kernel().unwind_entry(VirtAddr{OrcKernel::kText + offset});
  };
  EXPECT_FALSE(find(0xff));
  ASSERT_TRUE(find(0x100));
  EXPECT_EQ(find(0x100)->type, OrcEntry::Type::kCall);
  EXPECT_EQ(find(0x100)->sp_base, OrcEntry::Register::kSp);
  EXPECT_EQ(find(0x100)->sp_offset, 8);
  EXPECT_FALSE(find(0x100)->signal);
  EXPECT_EQ(find(0x1ff)->sp_base, OrcEntry::Register::kBp);
  EXPECT_EQ(find(0x1ff)->bp_base, OrcEntry::Register::kPrevSp);
  EXPECT_EQ(find(0x1ff)->bp_offset, -16);
  EXPECT_EQ(find(0x2ff)->type, OrcEntry::Type::kEnd);
  EXPECT_EQ(find(0x300)->type, OrcEntry::Type::kRegs);
  EXPECT_TRUE(find(0x300)->signal);
  EXPECT_EQ(find(0x1000)->type, OrcEntry::Type::kUndefined) << "a gap";
}
INSTANTIATE_TEST_SUITE_P(Orc, OrcOfEachFormat,
                         testing::Values(OrcFormat::kV61, OrcFormat::kV63, OrcFormat::kV64));

TEST(Orc, AModuleHasItsOwnTable) {
  OrcKernel guest;
  guest.module({{.address = OrcKernel::kModule, .sp_reg = fake::kSp, .sp_offset = 8},
                {.address = OrcKernel::kModule + 0x40, .sp_reg = fake::kSp, .sp_offset = 48}});
  const auto find = [&](std::uint64_t offset) {
    return guest.kernel().unwind_entry(VirtAddr{OrcKernel::kModule + offset});
  };
  EXPECT_EQ(find(0x3f)->sp_offset, 8);
  EXPECT_EQ(find(0x50)->sp_offset, 48);
  EXPECT_FALSE(find(0x1000)) << "behind its text";
}

TEST(Orc, ATableThatIsNotThereHasNoEntries) {
  OrcKernel guest;
  guest.plain("f", 0);
  guest.kernel();
  guest.memory.pages.forget(OrcKernel::kEntries);
  EXPECT_FALSE(guest.kernel().unwind_entry(VirtAddr{OrcKernel::kText + 0x100}));
  guest.memory.pages.forget(OrcKernel::kDistances);
  EXPECT_FALSE(guest.kernel().unwind_entry(VirtAddr{OrcKernel::kText + 0x100}));
}

TEST(Orc, AnUnsortedTableGivesSomeEntryOrNoneButEnds) {
  OrcKernel guest;
  for (unsigned i = 0; i < 999; ++i) {
    guest.row(
        {.address = OrcKernel::kText + i * 7919 % 0x3000, .sp_reg = fake::kSp, .sp_offset = 8});
  }
  for (std::uint64_t at = 0; at < 0x4000; at += 5) {
    const auto entry = guest.kernel().unwind_entry(VirtAddr{OrcKernel::kText + at});
    if (entry) {
      EXPECT_EQ(entry->sp_offset, 8);
    }
  }
}

TEST(Orc, TypesOfAnotherShapeAreNotTakenForOrc) {
  fake::BtfBuilder btf;
  const int u32 = btf.integer("unsigned int", 4);
  btf.structure("orc_entry", 6, {{"sp_offset", u32, 0}, {"sp_reg", u32, 4, 0, 4}});
  EXPECT_FALSE(OrcLayout::probe(btf.build()));
  fake::BtfBuilder far;
  const int wide = far.integer("unsigned int", 4);
  far.structure("orc_entry", 6,
                {{"sp_offset", wide, 0},
                 {"bp_offset", wide, 4},
                 {"sp_reg", wide, 40},
                 {"bp_reg", wide, 44},
                 {"type", wide, 48}});
  EXPECT_FALSE(OrcLayout::probe(far.build())) << "members that lie outside";
}

}  // namespace
}  // namespace rig::analyzer
