// SPDX-License-Identifier: Apache-2.0
// Which pages a level leaves over, by a page array that the test has made.
#include "kdump/page_filter.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "fakes/fake_memory.h"

namespace rig::kdump {
namespace {

using analyzer::fake::FakeVirtMemory;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kRoots = 0xffff'8880'0100'0000;
constexpr std::uint64_t kSections = 0xffff'8880'0200'0000;
constexpr std::uint64_t kMap = 0xffff'ea00'0000'0000;  // the struct page of page 0
constexpr std::uint64_t kStruct = 64;
// Bits of page.flags, and offsets in struct page: not those of any kernel.
constexpr std::uint64_t kLru = 1 << 4, kPrivate = 1 << 5, kSwapCache = 1 << 6, kBacked = 1 << 7,
                        kSlab = 1 << 8, kHead = 1 << 9;
constexpr std::uint64_t kMapping = 24, kCompound = 16, kPrivateAt = 40, kMapCount = 48;
constexpr std::uint32_t kBuddy = 0xffff'ff7f;
constexpr const char* kInfo =
    "OSRELEASE=6.1.0-test\nPAGESIZE=4096\n"
    "SYMBOL(mem_section)=ffff888001000000\nLENGTH(mem_section)=16\nSIZE(mem_section)=16\n"
    "OFFSET(mem_section.section_mem_map)=0\nNUMBER(SECTION_SIZE_BITS)=16\n"
    "NUMBER(MAX_PHYSMEM_BITS)=28\nSIZE(page)=64\n"
    "OFFSET(page.flags)=0\nOFFSET(page.mapping)=24\nOFFSET(page._mapcount)=48\n"
    "OFFSET(page.private)=40\nOFFSET(page.compound_dtor)=16\nOFFSET(page.compound_order)=17\n"
    "NUMBER(PG_lru)=4\nNUMBER(PG_private)=5\nNUMBER(PG_swapcache)=6\nNUMBER(PG_swapbacked)=7\n"
    "NUMBER(PG_slab)=8\nNUMBER(PG_head_mask)=512\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n"
    "NUMBER(HUGETLB_PAGE_DTOR)=2\n";

// 32 pages in two sections of 16 pages each; the first one begins at page 16.
class PageFilterTest : public testing::Test {
 protected:
  PageFilterTest() {
    layout_.info = analyzer::Vmcoreinfo(kInfo);
    layout_.memory = {{PhysAddr{16 * 4096}, 32 * 4096, 0}};
    memory_.put(kRoots, kSections);
    for (const std::uint64_t section : {1, 2}) {
      memory_.put(kSections + section * 16, kMap | 0x3);  // present, has a map
    }
    for (std::uint64_t page = 16; page < 49; ++page) {
      set(page, 0, 0);
      set(page, kMapCount, 0xffff'ffff);
    }
  }

  void set(std::uint64_t page, std::uint64_t offset, std::uint64_t value) {
    memory_.put(kMap + page * kStruct + offset, value);
  }
  void free_block(std::uint64_t page, std::uint64_t order) {
    set(page, kPrivateAt, order);
    memory_.put(kMap + page * kStruct + kMapCount, kBuddy);
  }
  void compound(std::uint64_t page, std::uint8_t order, std::uint8_t dtor) {
    memory_.put(kMap + (page + 1) * kStruct + kCompound, dtor);
    memory_.put(kMap + (page + 1) * kStruct + kCompound + 1, order);
  }

  // What is left out, or the error.
  std::vector<std::uint64_t> excluded(std::uint32_t level) {
    PageSet pages = all_pages(layout_);
    const Status status = exclude_pages(layout_, memory_, level, pages);
    why_ = status ? "" : status.error().what;
    std::vector<std::uint64_t> out;
    for (std::uint64_t page = 16; page < 48; ++page) {
      if (!pages.view().test(page)) out.push_back(page);
    }
    return out;
  }

  VmcoreLayout layout_;
  FakeVirtMemory memory_;
  std::string why_;
};

TEST_F(PageFilterTest, KernelsOwnPagesAlwaysStay) {
  set(17, 0, kSlab);
  EXPECT_THAT(excluded(31), IsEmpty());
  EXPECT_EQ(why_, "");
}

TEST_F(PageFilterTest, FreeBlocksGoAsAWhole) {
  free_block(20, 2);
  free_block(31, 0);
  EXPECT_THAT(excluded(kNoFree), ElementsAre(20, 21, 22, 23, 31));
  EXPECT_THAT(excluded(31 & ~kNoFree), IsEmpty());
}

TEST_F(PageFilterTest, FreeBlockReachesIntoTheNextSection) {
  free_block(30, 2);
  EXPECT_THAT(excluded(kNoFree), ElementsAre(30, 31, 32, 33));
}

TEST_F(PageFilterTest, CacheIsToldFromPrivateCacheAndUserData) {
  set(20, 0, kLru);
  set(21, 0, kLru | kPrivate);
  set(22, 0, kLru | kBacked);
  set(22, kMapping, 0xffff'8880'0000'0001);  // anonymous
  set(23, 0, kSwapCache | kBacked);
  set(24, 0, kSwapCache);
  EXPECT_THAT(excluded(kNoCache), ElementsAre(20, 23));
  EXPECT_THAT(excluded(kNoPrivateCache), ElementsAre(20, 21, 23));
  EXPECT_THAT(excluded(kNoUserData), ElementsAre(22));
  EXPECT_THAT(excluded(31), ElementsAre(20, 21, 22, 23));
}

TEST_F(PageFilterTest, SlabIsNeverAnonymousOrFree) {
  set(20, 0, kSlab);
  set(20, kMapping, 1);
  free_block(20, 0);
  EXPECT_THAT(excluded(31), IsEmpty());
}

TEST_F(PageFilterTest, CompoundPagesOfUsersGoAsAWhole) {
  set(20, 0, kLru | kHead);
  set(20, kMapping, 1);
  compound(20, 1, 1);
  set(24, 0, kHead);
  compound(24, 2, 2);  // hugetlb
  EXPECT_THAT(excluded(kNoUserData), ElementsAre(20, 21, 24, 25, 26, 27));
}

TEST_F(PageFilterTest, OrderThatCannotBeCountsAsOnePage) {
  free_block(20, 1'000'000);
  EXPECT_THAT(excluded(kNoFree), ElementsAre(20));
}

TEST_F(PageFilterTest, SlabsOfNewKernelsAreAType) {
  layout_.info =
      analyzer::Vmcoreinfo(std::string(kInfo) + "NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=245\n");
  set(20, 0, kLru);
  set(20, kMapping, 1);
  memory_.put(kMap + 20 * kStruct + kMapCount, 245u);
  EXPECT_THAT(excluded(kNoUserData), IsEmpty());
}

TEST_F(PageFilterTest, PagesWithoutAStructPageStay) {
  free_block(20, 0);
  free_block(40, 0);
  memory_.put(kSections + 16, std::uint64_t{0x1});  // section 1 has no map
  EXPECT_THAT(excluded(31), ElementsAre(40));
  memory_.put(kRoots, std::uint64_t{0});
  EXPECT_THAT(excluded(31), IsEmpty());
}

TEST_F(PageFilterTest, LevelsThatNeedNoStructPagesAskForNone) {
  layout_.info = analyzer::Vmcoreinfo("PAGESIZE=4096\n");
  EXPECT_THAT(excluded(kNoZeros), IsEmpty());
  EXPECT_EQ(why_, "");
  excluded(31);
  EXPECT_THAT(why_, HasSubstr("how to tell the kernel's pages apart"));
}

TEST_F(PageFilterTest, ImpossibleNumbersAreRefused) {
  std::string text = kInfo;
  text.replace(text.find("SIZE(page)=64"), 13, "SIZE(page)=00");
  layout_.info = analyzer::Vmcoreinfo(text);
  excluded(31);
  EXPECT_THAT(why_, HasSubstr("impossible numbers"));
}

}  // namespace
}  // namespace rig::kdump
