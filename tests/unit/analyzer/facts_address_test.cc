// SPDX-License-Identifier: Apache-2.0
// The parts of `whatis`: pages, the trees of user mappings, the areas of vmalloc().
#include "analyzer/facts/address.h"

#include <gmock/gmock.h>

#include "analyzer/facts/page_facts.h"
#include "analyzer/facts/vma_lookup.h"
#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using fake::FakeVirtMemory;
using testing::HasSubstr;

constexpr std::uint64_t kDirect = FakeVirtMemory::kDirectMap;

class Pages : public testing::Test {
 protected:
  static constexpr std::uint64_t kArray = 0xffff'ea00'0000'0000;
  static constexpr std::uint32_t kBuddy = 0xffff'ff7f;

  static Btf types() {
    BtfBuilder btf;
    const int u64 = btf.integer("unsigned long", 8), u32 = btf.integer("unsigned int", 4);
    const int s8 = btf.array(btf.integer("char", 1), 32);
    btf.enumeration("pageflags", {{"PG_locked", 0},
                                  {"PG_lru", 5},
                                  {"PG_slab", 9},
                                  {"PG_reserved", 12},
                                  {"PG_head", 16},
                                  {"__NR_PAGEFLAGS", 20}});
    const int count = btf.structure("atomic", 4, {{"counter", u32, 0}});
    btf.structure("page", 64,
                  {{"flags", u64, 0},
                   {"compound_head", u64, 8},
                   {"compound_order", s8, 17},
                   {"mapping", u64, 24},
                   {"index", u64, 32},
                   {"private", u64, 40},
                   {"_mapcount", count, 48},
                   {"_refcount", count, 52}});
    btf.structure("address_space", 8, {{"host", u64, 0}});
    btf.structure("inode", 32, {{"i_ino", u64, 0}});
    return btf.build();
  }

  void page(std::uint64_t number, std::uint64_t flags, std::uint64_t mapping = 0,
            std::uint32_t mapcount = ~0u, std::uint32_t references = 1) {
    const std::uint64_t at = kArray + number * 64;
    memory_.put(at, flags);
    memory_.put(at + 8, std::uint64_t{0});
    memory_.put(at + 24, mapping);
    memory_.put(at + 32, std::uint64_t{5});
    memory_.put(at + 48, mapcount);
    memory_.put(at + 52, references);
  }
  PageFacts read(std::uint64_t number) {
    return PageReader(fields_, layout_).read(PhysAddr{number * 4096 + 0x10}).value();
  }

  FakeVirtMemory memory_;
  Vmcoreinfo info_{fmt::format("NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)={}\n", -129)};
  Kernel kernel_{memory_, info_, {}, types()};
  FieldReader fields_{kernel_};
  KernelLayout layout_{4096, VirtAddr{kDirect}, VirtAddr{kArray}};
};

TEST_F(Pages, AFreePageIsFoundFromAnywhereInItsBlock) {
  for (std::uint64_t i = 0; i < 64; ++i) page(i, 0, 0, ~0u, 0);
  page(16, 0, 0, kBuddy, 0);
  memory_.put(kArray + 16 * 64 + 40, std::uint64_t{3});
  EXPECT_EQ(read(16).words, "free, in a block of order 3 that begins at physical 0x10000");
  EXPECT_EQ(read(21).words, "free, in a block of order 3 that begins at physical 0x10000");
  EXPECT_EQ(read(21).kind, "free");
  EXPECT_EQ(read(24).kind, "kernel");  // behind it
  EXPECT_THAT(read(24).words, HasSubstr("list of free pages"));
  memory_.put(kArray + 16 * 64 + 40, std::uint64_t{77});  // no order
  EXPECT_EQ(read(16).kind, "kernel");
}

TEST_F(Pages, WhatAPageIsUsedForIsInItsMappingTypeAndFlags) {
  page(40, 1 << 12);
  EXPECT_EQ(read(40).kind, "reserved");
  page(40, 1 << 9);
  EXPECT_EQ(read(40).kind, "slab");
  page(40, 0, 0, 0xffff'fdff);
  EXPECT_EQ(read(40).kind, "page-table");
  page(40, 1 << 5, kDirect + 0x5000 + 1, 2);
  EXPECT_EQ(read(40).kind, "anonymous");
  EXPECT_EQ(read(40).mappings, 3);
  EXPECT_EQ(read(40).flags, "lru");
  memory_.put(kDirect + 0x5000, kDirect + 0x6000);
  memory_.put(kDirect + 0x6000, std::uint64_t{4711});
  page(40, 1 << 5, kDirect + 0x5000);
  EXPECT_EQ(read(40).words, "page cache: inode 4711, page 0x5");
  page(40, 0);
  EXPECT_EQ(read(40).kind, "kernel");
}

TEST_F(Pages, ATailPageIsDescribedByItsHead) {
  page(32, 1 << 16, 0, ~0u, 7);
  page(33, 0, 0, ~0u, 0);
  page(35, 0, 0, ~0u, 0);
  memory_.put(kArray + 33 * 64 + 17, std::uint8_t{2});
  memory_.put(kArray + 35 * 64 + 8, kArray + 32 * 64 + 1);
  EXPECT_THAT(read(35).compound, HasSubstr("page 3 of a compound page of order"));
  EXPECT_EQ(read(35).references, 7);
  memory_.put(kArray + 35 * 64 + 8, kArray + 90 * 64 + 1);  // a head behind its tail
  EXPECT_EQ(read(35).compound, "");
}

TEST_F(Pages, AStructPageLeadsToItsPage) {
  const auto place = PageReader(fields_, layout_).page_of_struct(VirtAddr{kArray + 5 * 64 + 24});
  ASSERT_TRUE(place);
  EXPECT_EQ(place->page, PhysAddr{5 * 4096});
  EXPECT_EQ(place->offset, 24u);
}

// A process with three mappings in a maple tree of two levels, as 6.1 keeps them.
class Mappings : public testing::Test {
 protected:
  static constexpr std::uint64_t kMm = kDirect + 0x1000, kRoot = kDirect + 0x2000,
                                 kLeaf = kDirect + 0x2100, kVma = kDirect + 0x3000;
  static constexpr std::uint64_t kLeafKind = 1 << 3 | 4, kGapsKind = 3 << 3 | 6;

  static Btf types(bool maple) {
    BtfBuilder btf;
    const int u64 = btf.integer("unsigned long", 8);
    btf.enumeration("maple_type",
                    {{"maple_leaf_64", 1}, {"maple_range_64", 2}, {"maple_arange_64", 3}});
    const int node = btf.structure("rb_node", 24, {{"rb_right", u64, 8}, {"rb_left", u64, 16}});
    const int root = btf.structure("rb_root", 8, {{"rb_node", u64, 0}});
    const int range =
        btf.structure("maple_range_64", 256,
                      {{"pivot", btf.array(u64, 15), 8}, {"slot", btf.array(u64, 16), 128}});
    const int gaps =
        btf.structure("maple_arange_64", 256,
                      {{"pivot", btf.array(u64, 9), 8}, {"slot", btf.array(u64, 10), 80}});
    btf.a_union("maple_node", 256, {{"mr64", range, 0}, {"ma64", gaps, 0}});
    const int tree = btf.structure("maple_tree", 16, {{"ma_root", u64, 8}});
    if (maple) {
      btf.structure("mm_struct", 64, {{"mm_mt", tree, 0}});
    } else {
      btf.structure("mm_struct", 64, {{"mm_rb", root, 8}});
    }
    btf.structure("vm_area_struct", 64,
                  {{"vm_start", u64, 0}, {"vm_end", u64, 8}, {"vm_rb", node, 16}});
    return btf.build();
  }

  Mappings() {
    for (std::uint64_t i = 0; i < 3; ++i) {
      memory_.put(kVma + i * 64, 0x10000 * (i + 1));
      memory_.put(kVma + i * 64 + 8, 0x10000 * (i + 1) + 0x4000);
    }
    memory_.pages.write(kRoot, std::vector<std::byte>(0x200));
    memory_.put(kMm + 8, kRoot | kGapsKind);
    memory_.put(kRoot + 8, std::uint64_t{0x1ffff});  // up to here the leaf, then nothing
    memory_.put(kRoot + 80, kLeaf | kLeafKind);
    memory_.put(kRoot + 88, (kLeaf + 0x100) | kLeafKind);
    leaf(kLeaf, {{0xffff, 0}, {0x13fff, kVma}, {0x1ffff, 0}});
    leaf(kLeaf + 0x100, {{0x23fff, kVma + 64}, {0x2ffff, 0}, {0x33fff, kVma + 128}, {~0ull, 0}});
  }
  void leaf(std::uint64_t at, const std::vector<std::pair<std::uint64_t, std::uint64_t>>& entries) {
    memory_.pages.write(at, std::vector<std::byte>(0x100));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      memory_.put(at + 8 + i * 8, entries[i].first);
      memory_.put(at + 128 + i * 8, entries[i].second);
    }
  }
  std::optional<VirtAddr> find(std::uint64_t address, bool maple = true) {
    const Kernel kernel(memory_, info_, {}, types(maple));
    const FieldReader fields(kernel);
    why_.clear();
    const auto hit = find_vma(fields, VirtAddr{kMm}, VirtAddr{address}, why_);
    return hit ? std::optional(hit->at) : std::nullopt;
  }

  FakeVirtMemory memory_;
  Vmcoreinfo info_{""};
  std::string why_;
};

TEST_F(Mappings, AnAddressIsFoundInItsMappingAndNothingBetweenThem) {
  EXPECT_EQ(find(0x10000), VirtAddr{kVma});
  EXPECT_EQ(find(0x13fff), VirtAddr{kVma});
  EXPECT_EQ(find(0x14000), std::nullopt);
  EXPECT_EQ(why_, "");
  EXPECT_EQ(find(0x21234), VirtAddr{kVma + 64});
  EXPECT_EQ(find(0x33fff), VirtAddr{kVma + 128});
  EXPECT_EQ(find(0x7fff'0000'0000), std::nullopt);
}

TEST_F(Mappings, ATreeThatLeadsBackToItselfEnds) {
  memory_.put(kRoot + 80, kRoot | kGapsKind);
  EXPECT_EQ(find(0x10000), std::nullopt);
  EXPECT_THAT(why_, HasSubstr("cannot be followed"));
}

TEST_F(Mappings, AMappingThatDoesNotHoldTheAddressIsNotBelieved) {
  memory_.put(kVma, std::uint64_t{0x11000});
  EXPECT_EQ(find(0x10000), std::nullopt);
  EXPECT_THAT(why_, HasSubstr("no mapping of it"));
}

TEST_F(Mappings, OlderKernelsKeepThemInARedBlackTree) {
  const auto node = [](std::uint64_t i) { return kVma + i * 64 + 16; };
  memory_.put(kMm + 8, node(1));
  for (std::uint64_t i = 0; i < 3; ++i) {
    memory_.put(node(i) + 8, i == 1 ? node(2) : 0);
    memory_.put(node(i) + 16, i == 1 ? node(0) : 0);
  }
  EXPECT_EQ(find(0x10010, false), VirtAddr{kVma});
  EXPECT_EQ(find(0x32000, false), VirtAddr{kVma + 128});
  EXPECT_EQ(find(0x15000, false), std::nullopt);
  EXPECT_EQ(why_, "");
  memory_.put(node(0) + 8, node(1));  // a circle
  EXPECT_EQ(find(0x15000, false), std::nullopt);
  EXPECT_THAT(why_, HasSubstr("cannot be followed"));
}

// The list of vmalloc()'s areas, with one of 0x3000 bytes whose last page is its guard.
class Areas : public testing::Test {
 protected:
  static constexpr std::uint64_t kHead = kDirect + 0x1000, kArea = kDirect + 0x2000,
                                 kVm = kDirect + 0x3000, kBegin = 0xffff'c900'0001'0000;

  static Btf types() {
    BtfBuilder btf;
    const int u64 = btf.integer("unsigned long", 8), u32 = btf.integer("unsigned int", 4);
    const int list = btf.structure("list_head", 16, {{"next", u64, 0}, {"prev", u64, 8}});
    btf.structure("vmap_area", 40,
                  {{"va_start", u64, 0}, {"va_end", u64, 8}, {"list", list, 16}, {"vm", u64, 32}});
    btf.structure("vm_struct", 48,
                  {{"addr", u64, 0}, {"size", u64, 8}, {"flags", u64, 16}, {"nr_pages", u32, 24}});
    return btf.build();
  }
  Areas() {
    memory_.put(kHead, kArea + 16);
    memory_.put(kArea + 16, kHead);
    memory_.put(kArea, kBegin);
    memory_.put(kArea + 8, kBegin + 0x3000);
    memory_.put(kArea + 32, kVm);
    memory_.put(kVm, kBegin);
    memory_.put(kVm + 8, std::uint64_t{0x3000});
    memory_.put(kVm + 16, std::uint64_t{0x22});
    memory_.put(kVm + 24, std::uint32_t{2});
  }
  std::optional<AddressFacts> ask(std::uint64_t address) {
    fake::KernelCore any;
    const auto path = std::filesystem::temp_directory_path() / fmt::format("areas-{}", ::getpid());
    EXPECT_TRUE(any.core().write(path, rig::fakes::CoreFormat::kKdumpRaw));
    Session session(*Core::open(path));
    std::filesystem::remove(path);
    Inquiry inquiry{session,
                    kernel_,
                    architecture(Arch::kX86_64),
                    {},
                    FieldReader(kernel_),
                    VirtAddr{address},
                    {"in the vmalloc area", true}};
    return address_in_vmalloc(inquiry);
  }

  FakeVirtMemory memory_;
  Vmcoreinfo info_{fmt::format("SYMBOL(vmap_area_list)={:x}\n", kHead)};
  Kernel kernel_{memory_, info_, {}, types()};
};

TEST_F(Areas, AnAddressIsFoundInItsAllocation) {
  const auto facts = ask(kBegin + 0x10);
  ASSERT_TRUE(facts);
  EXPECT_THAT(facts->words, HasSubstr("+0x10 of an allocation of 12288 bytes"));
  EXPECT_EQ(facts->details[1].words, "alloc,uninitialized");
}

TEST_F(Areas, TheGuardPageIsTold) {
  EXPECT_THAT(ask(kBegin + 0x2fff)->words, HasSubstr("in its guard page"));
  EXPECT_THAT(ask(kBegin + 0x1fff)->words, testing::Not(HasSubstr("guard")));
}

TEST_F(Areas, WhatNoAllocationHasWasFreedOrNeverWas) {
  EXPECT_THAT(ask(kBegin + 0x3000)->words, HasSubstr("in no allocation"));
  memory_.put(kArea + 16, kArea + 16);  // a list that does not end
  EXPECT_FALSE(ask(kBegin + 0x3000)->known);
  EXPECT_THAT(ask(kBegin + 0x3000)->details[0].words, HasSubstr("list of areas is broken"));
}

}  // namespace
}  // namespace rig::analyzer
