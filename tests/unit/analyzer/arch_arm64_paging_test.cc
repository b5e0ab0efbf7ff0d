// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/arm64_paging.h"

#include <gmock/gmock.h>

#include "fakes/arm64_tables.h"

namespace rig::analyzer {
namespace {

using fake::Arm64Tables;
using fake::FakePhysMemory;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto kRootTable = PhysAddr{Arm64Tables::kRoot};

// 39, 48 and 52 bits and what lies between, each with every size of page that can have it.
constexpr Arm64Geometry kGeometries[] = {
    {12, 39, 39, false}, {12, 48, 48, false}, {12, 52, 52, true},  {12, 48, 52, false},
    {14, 36, 36, false}, {14, 47, 47, false}, {14, 48, 48, false}, {14, 52, 52, true},
    {14, 47, 52, false}, {16, 42, 42, false}, {16, 48, 48, false}, {16, 52, 52, false},
    {16, 48, 52, false},
};

std::string name_of(const Arm64Geometry& geometry) {
  return fmt::format("{}K_{}_of_{}_bits", (1 << geometry.page_shift) / 1024, geometry.va_bits,
                     geometry.built_va_bits);
}

class Arm64Paging : public testing::TestWithParam<Arm64Geometry> {
 protected:
  std::uint64_t page() const { return 1ull << GetParam().page_shift; }
  // In the linear map, which begins at the lowest address that can be translated.
  std::uint64_t linear() const { return ~0ull << GetParam().va_bits; }
  std::uint64_t image() const { return 0 - (std::uint64_t{2} << 30); }
  Arm64PageTable table() const { return {tables_.memory, kRootTable, GetParam()}; }

  Arm64Tables tables_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Geometries, Arm64Paging, testing::ValuesIn(kGeometries),
                         [](const auto& row) { return name_of(row.param); });

TEST(Arm64Geometry, HasAsManyLevelsAsItsBitsNeed) {
  const auto levels = [](unsigned page_shift, unsigned va_bits) {
    return Arm64Geometry{page_shift, va_bits, va_bits, false}.levels();
  };
  // CONFIG_PGTABLE_LEVELS in arch/arm64/Kconfig.
  EXPECT_EQ(levels(12, 39), 3u);
  EXPECT_EQ(levels(12, 48), 4u);
  EXPECT_EQ(levels(12, 52), 5u);
  EXPECT_EQ(levels(14, 36), 2u);
  EXPECT_EQ(levels(14, 47), 3u);
  EXPECT_EQ(levels(14, 48), 4u);
  EXPECT_EQ(levels(14, 52), 4u);
  EXPECT_EQ(levels(16, 42), 2u);
  EXPECT_EQ(levels(16, 48), 3u);
  EXPECT_EQ(levels(16, 52), 3u);
}

TEST_P(Arm64Paging, PagesAndBlocksAreTranslated) {
  const auto block = tables_.size_of(2);
  tables_.map(linear() + 5 * page(), 0x7777'0000);
  tables_.map(image(), 3 * block, 2);
  const auto small = table().walk(VirtAddr{linear() + 5 * page() + 0x678});
  ASSERT_TRUE(small);
  EXPECT_EQ(small->begin, VirtAddr{linear() + 5 * page()});
  EXPECT_EQ(small->to, PhysAddr{0x7777'0000});
  EXPECT_EQ(small->size, page());
  const auto large = table().walk(VirtAddr{image() + block - 1});
  ASSERT_TRUE(large);
  EXPECT_EQ(large->begin, VirtAddr{image()});
  EXPECT_EQ(large->to, PhysAddr{3 * block});
  EXPECT_EQ(large->size, block);
}

TEST_P(Arm64Paging, WhatIsNotMappedSaysSo) {
  tables_.map(linear() + 5 * page(), 0x7777'0000);
  for (const std::uint64_t address :
       {linear() + 6 * page(), image(), ~std::uint64_t{0}, linear() - 8,
        std::uint64_t{0x7f00'0000'0000}, std::uint64_t{0}}) {
    const auto found = table().walk(VirtAddr{address});
    ASSERT_FALSE(found) << fmt::format("{:#x}", address);
    EXPECT_EQ(found.error().why, Absence::kUnmapped);
    EXPECT_EQ(found.error().address, address);
  }
}

TEST_P(Arm64Paging, EveryEntryOnTheWayCanBeShown) {
  tables_.map(image(), 0x4000'0000);
  const PageWalk walked = table().describe(VirtAddr{image()});
  ASSERT_TRUE(walked.result);
  EXPECT_EQ(walked.result->to, table().walk(VirtAddr{image()})->to);
  ASSERT_EQ(walked.steps.size(), GetParam().levels());
  EXPECT_EQ(walked.steps.front().level, "PGD");
  EXPECT_THAT(walked.steps.front().flags, testing::StartsWith("TABLE"));
  EXPECT_EQ(walked.steps.back().level, "PTE");
  EXPECT_THAT(walked.steps.back().flags, testing::StartsWith("PAGE"));
  // A walk that ends shows where: the entry that is not valid has no flags.
  const PageWalk ended = table().describe(VirtAddr{image() - page()});
  EXPECT_FALSE(ended.result);
  ASSERT_FALSE(ended.steps.empty());
  EXPECT_EQ(ended.steps.back().flags, "");
}

TEST_P(Arm64Paging, TagsOfKasanAreIgnored) {
  tables_.map(linear() + 5 * page(), 0x7777'0000);
  const auto tagged = (linear() + 5 * page() + 8) & ~(0x0bull << 56);
  const auto found = table().walk(VirtAddr{tagged});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->to + (VirtAddr{tagged} - found->begin), PhysAddr{0x7777'0008});
}

TEST_P(Arm64Paging, PhysicalAddressesHaveAllTheirBits) {
  const bool large = GetParam().page_shift == 16 || GetParam().lpa2;
  const std::uint64_t physical = (large ? 0xd'5a5aull : 0x5a5aull) << 32 | 0x8001'0000;
  tables_.map(linear(), physical);
  const auto found = table().walk(VirtAddr{linear()});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->to, PhysAddr{physical});
}

TEST_P(Arm64Paging, ATableThatIsNotInTheCoreIsToldFromAnAddressThatIsNotMapped) {
  const auto found = table().walk(VirtAddr{linear()});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().why, Absence::kNotPresent);
  EXPECT_EQ(found.error().address, linear());
}

TEST_P(Arm64Paging, TablesThatPointToThemselvesEnd) {
  for (unsigned i = 0; i < 8192; ++i)
    tables_.memory.put(raw(kRootTable) + i * 8, raw(kRootTable) | 3);
  const auto found = table().walk(VirtAddr{image()});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->to, kRootTable);
  EXPECT_EQ(found->size, page());
}

TEST_P(Arm64Paging, ABlockWhereTheFormatHasNoneIsNotFollowed) {
  const auto slots = 1u << (GetParam().page_shift - 3);
  for (unsigned i = 0; i < slots; ++i) tables_.memory.put(raw(kRootTable) + i * 8, 0x4000'0001ull);
  const bool top_may_be_block =
      GetParam().levels() == 2 || (GetParam().levels() == 3 && GetParam().page_shift != 14);
  EXPECT_EQ(table().walk(VirtAddr{image()}).has_value(), top_may_be_block);
}

// The kernel's image at its place of this boot, its tables in it.
class Arm64Kernel : public Arm64Paging {
 protected:
  std::string info(bool size_of_cpu = true) const {
    const auto& geometry = GetParam();
    auto text = fmt::format(
        "PAGESIZE={}\nSYMBOL(swapper_pg_dir)={:x}\nSYMBOL(_stext)={:x}\nNUMBER(VA_BITS)={}\n"
        "NUMBER(kimage_voffset)={:#x}\nNUMBER(PHYS_OFFSET)=0x40000000\n",
        page(), image() + raw(kRootTable) % tables_.size_of(2), image(), geometry.built_va_bits,
        image() - align_down(raw(kRootTable), tables_.size_of(2)));
    if (size_of_cpu) text += fmt::format("NUMBER(TCR_EL1_T1SZ)={:#x}\n", 64 - geometry.va_bits);
    return text;
  }
  void map_image() { tables_.map(image(), align_down(raw(kRootTable), tables_.size_of(2)), 2); }
};
INSTANTIATE_TEST_SUITE_P(Geometries, Arm64Kernel, testing::ValuesIn(kGeometries),
                         [](const auto& row) { return name_of(row.param); });

TEST_P(Arm64Kernel, ItsPageTablesAreFoundThroughVmcoreinfoAlone) {
  map_image();
  tables_.map(linear(), 0x9'0000);
  const auto space = open_arm64_kernel(tables_.memory, Vmcoreinfo(info()), {});
  ASSERT_TRUE(space) << space.error().message();
  EXPECT_THAT(space->remarks, IsEmpty());
  EXPECT_EQ(space->levels, GetParam().levels());
  EXPECT_EQ(space->memory->translate(VirtAddr{linear() + 16}), PhysAddr{0x9'0010});
}

TEST_P(Arm64Kernel, HowManyBitsTheCpuTranslatesIsTriedWhereNobodySays) {
  map_image();
  tables_.map(linear(), 0x9'0000);
  const auto space = open_arm64_kernel(tables_.memory, Vmcoreinfo(info(false)), {});
  ASSERT_TRUE(space) << space.error().message();
  EXPECT_THAT(space->remarks, IsEmpty());
  EXPECT_EQ(space->memory->translate(VirtAddr{linear() + 16}), PhysAddr{0x9'0010});
}

TEST_P(Arm64Kernel, TablesThatDoNotMapThemselvesAreNotUsed) {
  tables_.map(image(), 4 * tables_.size_of(2), 2);
  const auto space = open_arm64_kernel(tables_.memory, Vmcoreinfo(info()), {});
  ASSERT_TRUE(space) << space.error().message();
  EXPECT_THAT(space->remarks, testing::ElementsAre(HasSubstr("say that they are at")));
  EXPECT_EQ(space->levels, 0u);
}

TEST(Arm64, WithoutTablesItsImageAndLinearMapAreTranslatedSoThatTheLogCanBeRead) {
  FakePhysMemory memory;
  memory.put(0x4010'0000, 42u);
  memory.put(0x4200'0000, 43u);
  const std::string numbers =
      "NUMBER(VA_BITS)=48\nNUMBER(kimage_voffset)=0xffff7fffc8000000\n"
      "SYMBOL(swapper_pg_dir)=ffff800009000000\nSYMBOL(_stext)=ffff800008010000\n";
  const auto space =
      open_arm64_kernel(memory, Vmcoreinfo(numbers + "NUMBER(PHYS_OFFSET)=0x40000000\n"), {});
  ASSERT_TRUE(space) << space.error().message();
  EXPECT_EQ(space->memory->load<std::uint32_t>(VirtAddr{0xffff'8000'0810'0000}), 42u);
  EXPECT_EQ(space->memory->load<std::uint32_t>(VirtAddr{0xffff'0000'0200'0000}), 43u);
  EXPECT_THAT(space->remarks, SizeIs(1));

  const auto nothing = open_arm64_kernel(memory, Vmcoreinfo(numbers), {});
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().what, HasSubstr("do not map the kernel"));
}

TEST(Arm64, NumbersThatNoKernelHasAreRefused) {
  const std::string rest =
      "NUMBER(kimage_voffset)=0xffff7fffc8000000\nSYMBOL(swapper_pg_dir)=ffff800009000000\n";
  for (const std::string_view odd :
       {"NUMBER(VA_BITS)=64\n", "NUMBER(VA_BITS)=-1\n", "NUMBER(VA_BITS)=48\nPAGESIZE=8192\n"}) {
    const auto space = open_arm64_kernel(FakePhysMemory(), Vmcoreinfo(std::string(odd) + rest), {});
    ASSERT_FALSE(space) << odd;
    EXPECT_THAT(space.error().what, HasSubstr("no arm64 kernel has that"));
  }
  EXPECT_EQ(arm64_va_bits(Vmcoreinfo("NUMBER(TCR_EL1_T1SZ)=-9223372036854775808\n")), 48u);
  EXPECT_EQ(arm64_va_bits(Vmcoreinfo("NUMBER(TCR_EL1_T1SZ)=0x19\nNUMBER(VA_BITS)=48\n")), 39u);
}

}  // namespace
}  // namespace rig::analyzer
