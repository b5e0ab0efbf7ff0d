// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/slab_reader.h"

#include <gmock/gmock.h>

#include "analyzer/facts/whatis.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using fake::FakeVirtMemory;
using testing::HasSubstr;

// A kernel with one cache of 1 KiB objects and one slab of two pages, laid out as 6.1 does.
class Heap : public testing::Test {
 protected:
  static constexpr std::uint64_t kDirect = FakeVirtMemory::kDirectMap;
  static constexpr std::uint64_t kPages = 0xffff'ea00'0000'0000;
  static constexpr std::uint64_t kSlab = kDirect + 0x20'0000;  // pfn 0x200
  static constexpr std::uint64_t kHead = kPages + 0x200 * 64;
  static constexpr std::uint64_t kCache = kDirect + 0x10'0000;
  static constexpr std::uint64_t kName = kDirect + 0x11'0000;
  static constexpr std::uint64_t kCpuSlab = kDirect + 0x12'0000;  // CPU 0's; CPU 1's is a page on
  static constexpr std::uint64_t kVariables = 0xffff'ffff'8200'0000;
  static constexpr std::uint64_t kRandom = 0x1234'5678'9abc'def0;
  static constexpr std::uint64_t kFree = 512;  // the free pointer's place in an object
  static constexpr unsigned kObjects = 8;

  static Btf types() {
    BtfBuilder btf;
    const int u64 = btf.integer("unsigned long", 8);
    const int u32 = btf.integer("unsigned int", 4);
    const int ptr = btf.pointer();
    btf.enumeration("pageflags", {{"PG_locked", 0}, {"PG_slab", 9}});
    btf.structure("page", 64, {{"flags", u64, 0}, {"compound_head", u64, 8}});
    btf.structure("slab", 64,
                  {{"__page_flags", u64, 0},
                   {"slab_cache", ptr, 24},
                   {"freelist", ptr, 32},
                   {"inuse", u32, 40, 0, 16},
                   {"objects", u32, 40, 16, 15},
                   {"frozen", u32, 40, 31, 1}});
    const int oo = btf.structure("kmem_cache_order_objects", 4, {{"x", u32, 0}});
    btf.structure("kmem_cache", 128,
                  {{"cpu_slab", ptr, 0},
                   {"size", u32, 24},
                   {"object_size", u32, 28},
                   {"offset", u32, 40},
                   {"oo", oo, 48},
                   {"min", oo, 52},
                   {"red_left_pad", u32, 84},
                   {"name", ptr, 88},
                   {"random", u64, 104}});
    btf.structure("kmem_cache_cpu", 32, {{"freelist", ptr, 0}, {"slab", ptr, 16}});
    return btf.build();
  }

  Heap() {
    memory_.put(kVariables, kDirect);
    memory_.put(kVariables + 8, kPages);
    memory_.put(kVariables + 16, std::uint64_t{0});  // __per_cpu_offset
    memory_.put(kVariables + 24, std::uint64_t{0x1000});
    memory_.put(kCache + 0, kCpuSlab);
    memory_.put(kCache + 24, std::uint32_t{1024});
    memory_.put(kCache + 28, std::uint32_t{1024});
    memory_.put(kCache + 40, std::uint32_t{kFree});
    memory_.put(kCache + 48, std::uint32_t{1 << 16 | kObjects});
    memory_.put(kCache + 52, std::uint32_t{0 << 16 | 4});
    memory_.put(kCache + 84, std::uint32_t{0});
    memory_.put(kCache + 88, kName);
    memory_.put(kCache + 104, kRandom);
    memory_.put_text(kName, "kmalloc-1k");
    memory_.put(kCpuSlab, std::uint64_t{0});
    memory_.put(kCpuSlab + 0x1000, std::uint64_t{0});
    memory_.put(kHead, std::uint64_t{1 << 9});
    memory_.put(kHead + 24, kCache);
    memory_.put(kHead + 64 + 8, kHead | 1);
    for (unsigned i = 0; i < kObjects; ++i) memory_.put(object(i), std::uint64_t{0});
    freelist({});
  }

  static std::uint64_t object(unsigned slot) { return kSlab + slot * 1024; }
  static std::uint64_t encode(std::uint64_t next, std::uint64_t at) {
    return next ^ kRandom ^ __builtin_bswap64(at);
  }
  void link(std::uint64_t from, std::uint64_t to) {
    memory_.put(from + kFree, encode(to, from + kFree));
  }
  // Chains the objects and returns the first.
  std::uint64_t chain(const std::vector<unsigned>& slots) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      link(object(slots[i]), i + 1 < slots.size() ? object(slots[i + 1]) : 0);
    }
    return slots.empty() ? 0 : object(slots[0]);
  }
  void freelist(const std::vector<unsigned>& slots) {
    memory_.put(kHead + 32, chain(slots));
    counts(kObjects - static_cast<unsigned>(slots.size()), false);
  }
  void counts(unsigned in_use, bool frozen) {
    memory_.put(kHead + 40, in_use | kObjects << 16 | (frozen ? 1u << 31 : 0));
  }

  std::optional<SlabHit> find(std::uint64_t address, std::string* why = nullptr) {
    SlabReader reader(kernel_, architecture(Arch::kX86_64), 2);
    return reader.find(VirtAddr{address}, why);
  }

  FakeVirtMemory memory_;
  Vmcoreinfo info_{
      fmt::format("SYMBOL(page_offset_base)={:x}\nSYMBOL(vmemmap_base)={:x}\n"
                  "SYMBOL(__per_cpu_offset)={:x}\n",
                  kVariables, kVariables + 8, kVariables + 16)};
  Kernel kernel_{memory_, info_, {}, types()};
};

TEST_F(Heap, AnAddressInATailPageIsFoundInItsSlab) {
  memory_.put(object(5) + 0x2c8, 0x106u);
  const auto hit = find(object(5) + 0x2c0);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->object.cache, "kmalloc-1k");
  EXPECT_EQ(hit->object.address, VirtAddr{object(5)});
  EXPECT_EQ(hit->object.slot, 5u);
  EXPECT_EQ(hit->object.slab, VirtAddr{kSlab});
  EXPECT_EQ(hit->offset, 0x2c0);
  ASSERT_EQ(hit->object.content.size(), 1024u);
  EXPECT_EQ(load<std::uint32_t>(hit->object.content, 0x2c8), 0x106u);
  EXPECT_EQ(hit->object.allocated, true);
}

TEST_F(Heap, ObjectsOnTheSlabsFreelistAreFreeAndOthersAllocated) {
  freelist({3, 0, 7});
  EXPECT_EQ(find(object(0))->object.allocated, false);
  EXPECT_EQ(find(object(7) + 1023)->object.allocated, false);
  EXPECT_THAT(find(object(7))->object.evidence, HasSubstr("freelist of its slab"));
  EXPECT_EQ(find(object(1))->object.allocated, true);
}

TEST_F(Heap, ObjectsOnTheFreelistOfACpuAreFree) {
  freelist({});
  counts(kObjects, true);
  memory_.put(kCpuSlab + 0x1000, chain({2, 6}));
  memory_.put(kCpuSlab + 0x1000 + 16, kHead);
  EXPECT_EQ(find(object(6))->object.allocated, false);
  EXPECT_EQ(find(object(6))->object.evidence, "on the freelist of CPU 1");
  EXPECT_EQ(find(object(5))->object.allocated, true);
  EXPECT_THAT(find(object(5))->object.evidence, HasSubstr("nor on that of CPU 1"));
}

TEST_F(Heap, TheFreelistOfACpuThatUsesAnotherSlabIsNotAsked) {
  memory_.put(kCpuSlab, object(5));
  memory_.put(kCpuSlab + 16, kHead + 640);
  EXPECT_EQ(find(object(5))->object.allocated, true);
}

TEST_F(Heap, PointersOfOlderAndOfUnhardenedKernelsAreFollowed) {
  freelist({4});
  memory_.put(object(4) + kFree, object(1) ^ kRandom ^ (object(4) + kFree));  // before v5.7
  memory_.put(object(1) + kFree, kRandom ^ (object(1) + kFree));
  counts(kObjects - 2, false);
  EXPECT_EQ(find(object(1))->object.allocated, false);
}

TEST_F(Heap, ACycleInTheFreelistEndsAndLeavesTheStateUnknown) {
  freelist({3, 0});
  link(object(0), object(3));
  const auto hit = find(object(1));
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->object.allocated, std::nullopt);
  EXPECT_THAT(hit->object.evidence, HasSubstr("is on it twice"));
  EXPECT_EQ(find(object(3))->object.allocated, false);  // it is on it, cycle or not
}

TEST_F(Heap, AWildPointerInTheFreelistLeavesTheStateUnknown) {
  for (const std::uint64_t wild : std::initializer_list<std::uint64_t>{
           0xffff'0008'8fec'6500ull, object(2) + 8, kSlab + 8 * 1024, 0x41ull}) {
    freelist({3});
    link(object(3), wild);
    counts(kObjects - 2, false);
    const auto hit = find(object(1));
    ASSERT_TRUE(hit);
    EXPECT_EQ(hit->object.allocated, std::nullopt);
    EXPECT_THAT(hit->object.evidence, HasSubstr("corrupted"));
  }
}

TEST_F(Heap, CountsThatDoNotAddUpLeaveTheStateUnknown) {
  freelist({3, 0});
  counts(5, false);
  EXPECT_EQ(find(object(1))->object.allocated, std::nullopt);
  EXPECT_THAT(find(object(1))->object.evidence, HasSubstr("do not make 8 objects"));
}

TEST_F(Heap, RedZonesBeforeAnObjectAreNegativeOffsets) {
  memory_.put(kCache + 24, std::uint32_t{2048});
  memory_.put(kCache + 48, std::uint32_t{2 << 16 | kObjects});
  memory_.put(kCache + 84, std::uint32_t{64});
  for (unsigned i = 0; i < 4; ++i) memory_.put(kSlab + i * 4096, std::uint8_t{0});
  const auto hit = find(kSlab + 2048 + 16);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->object.slot, 1u);
  EXPECT_EQ(hit->object.address, VirtAddr{kSlab + 2048 + 64});
  EXPECT_EQ(hit->offset, -48);
}

TEST_F(Heap, APageThatIsNoSlabHasNoObjects) {
  memory_.put(kHead, std::uint64_t{0});
  std::string why;
  EXPECT_FALSE(find(object(0), &why));
  EXPECT_EQ(why, "");
}

TEST_F(Heap, ASlabThatContradictsItsCacheGetsNoAnswer) {
  std::string why;
  memory_.put(kHead + 40, 3u | 9u << 16);
  EXPECT_FALSE(find(object(0), &why));
  EXPECT_THAT(why, HasSubstr("not how that cache makes them"));
  memory_.put(kHead + 24, std::uint64_t{0xdead});
  EXPECT_FALSE(find(object(0), &why));
  EXPECT_THAT(why, HasSubstr("is no kmem_cache"));
}

TEST_F(Heap, TailPagesThatPointAnywhereGetNoAnswer) {
  for (const std::uint64_t link :
       std::initializer_list<std::uint64_t>{kHead + 640 + 1, kHead + 8 + 1, 0x1ull, ~0ull}) {
    memory_.put(kHead + 64 + 8, link);
    EXPECT_FALSE(find(object(5))) << link;
  }
}

TEST_F(Heap, AddressesOutsideTheDirectMapAreNoObjects) {
  for (const std::uint64_t address : std::initializer_list<std::uint64_t>{
           0x106ull, 0x7f00'1234'5678ull, kVariables, ~0ull, kDirect}) {
    EXPECT_FALSE(find(address)) << address;
  }
}

TEST_F(Heap, AnyDamagedByteOfThePageAndTheCacheGivesAnAnswerOrNone) {
  freelist({3, 0, 7});
  for (const auto& [base, size] : {std::pair{kHead, 128ull}, std::pair{kCache, 128ull}}) {
    for (std::uint64_t at = base; at < base + size; ++at) {
      const auto before = *memory_.load<std::uint8_t>(VirtAddr{at});
      for (const unsigned value : {0x00u, 0x01u, 0x80u, 0xffu}) {
        memory_.put(at, static_cast<std::uint8_t>(value));
        find(object(0));
        find(object(5) + 3);
      }
      memory_.put(at, before);
    }
  }
}

TEST_F(Heap, WhatisNamesObjectsInWords) {
  freelist({3});
  Whatis whatis(kernel_, architecture(Arch::kX86_64), 4,
                {{"IRQ stack of CPU 1", VirtAddr{0xffff'c900'0000'0000}, 0x4000}}, 2);
  EXPECT_EQ(whatis.ask(VirtAddr{object(5) + 0x2c0}).words,
            fmt::format("kmalloc-1k object {:#x} +0x2c0 (allocated)", object(5)));
  EXPECT_THAT(whatis.ask(VirtAddr{object(3)}).words, HasSubstr("(free)"));
  EXPECT_EQ(whatis.ask(VirtAddr{0xffff'c900'0000'3ff8}).words,
            "IRQ stack of CPU 1, 0x8 below its top");
  EXPECT_EQ(whatis.ask(VirtAddr{0x106}).words, "in the NULL page");
  EXPECT_EQ(whatis.ask(VirtAddr{0xffff'0008'8fec'6500}).words, "not a canonical address");
  EXPECT_THAT(whatis.ask(VirtAddr{0x6b6b'6b6b'6b6b'6b7b}).words, HasSubstr("+ 0x10: POISON_FREE"));
  EXPECT_THAT(whatis.ask(VirtAddr{kDirect + 0x11'0010}).words, HasSubstr("physical 0x110010"));
}

}  // namespace
}  // namespace rig::analyzer
