// SPDX-License-Identifier: Apache-2.0
// Who had an object: slub_debug's notes and KASAN's, with stacks out of the depot.
#include "analyzer/slab/object_tracks.h"

#include <gmock/gmock.h>

#include "analyzer/slab/object_debug.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"
#include "fakes/synthetic_kallsyms.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using fake::FakeVirtMemory;
using fake::KallsymsTables;
using fake::kText;
using testing::SizeIs;

constexpr std::uint64_t kData = kText + 0x80'0000;
constexpr std::uint64_t kHeap = FakeVirtMemory::kDirectMap + 0x10'0000;
constexpr std::uint64_t kCache = kHeap, kObject = kHeap + 0x2000, kPool = kHeap + 0x8000;
constexpr std::uint64_t kShadow = 0xdfff'fc00'0000'0000;  // x86_64's KASAN_SHADOW_OFFSET
constexpr std::uint32_t kHandle =
    1u << 26 | 3u << 16 | 1;  // valid, 0x30 bytes into the second pool

class Tracks : public testing::Test {
 protected:
  static Btf types() {
    BtfBuilder btf;
    const int u64 = btf.integer("unsigned long", 8), u32 = btf.integer("unsigned int", 4);
    btf.structure("track", 32,
                  {{"addr", u64, 0},
                   {"handle", u32, 8},
                   {"cpu", u32, 12},
                   {"pid", u32, 16},
                   {"when", u64, 24}});
    btf.structure("handle_parts", 4,
                  {{"slabindex", u32, 0, 0, 16},
                   {"offset", u32, 0, 16, 10},
                   {"valid", u32, 0, 26, 1},
                   {"extra", u32, 0, 27, 5}});
    const int frames = btf.array(u64, 0);
    btf.structure("stack_record", 24,
                  {{"size", u32, 12}, {"handle", u32, 16}, {"entries", frames, 24}});
    const int track = btf.structure("kasan_track", 8, {{"pid", u32, 0}, {"stack", u32, 4}});
    btf.structure("kasan_alloc_meta", 16, {{"alloc_track", track, 0}});
    btf.structure("kasan_free_meta", 16, {{"free_track", track, 8}});
    const int info = btf.structure("kasan_cache", 12,
                                   {{"alloc_meta_offset", u32, 0}, {"free_meta_offset", u32, 4}});
    btf.structure("kmem_cache", 128, {{"red_left_pad", u32, 84}, {"kasan_info", info, 96}});
    return btf.build();
  }

  Tracks() {
    memory_.put(kData, std::uint64_t{10'000});         // jiffies_64
    memory_.put(kData + 8, std::uint64_t{4'000'000});  // tick_nsec: 250 Hz
    memory_.put(kData + 0x100, std::uint64_t{0});
    memory_.put(kData + 0x108, kPool);  // stack_slabs[1]
    record({kText + 0x110, kText + 0x214, kText + 0x318});
    note(0, kText + 0x210, 1, 42, 9'500);
    note(32, 0, 0, 0, 0);
    cache_.at = VirtAddr{kCache};
    cache_.object_size = cache_.in_use = 64;
    cache_.free_pointer = 32;
    cache_.size = 160;
    cache_.flags = 0x1'0000;
    memory_.put(kCache + 96, std::uint64_t{0});
  }

  void record(const std::vector<std::uint64_t>& stack) {
    memory_.put(kPool + 0x30 + 12, static_cast<std::uint32_t>(stack.size()));
    memory_.put(kPool + 0x30 + 16, kHandle);
    for (std::size_t i = 0; i < stack.size(); ++i) memory_.put(kPool + 0x30 + 24 + i * 8, stack[i]);
  }
  void note(std::uint64_t at, std::uint64_t caller, std::uint32_t cpu, std::uint32_t pid,
            std::uint64_t when) {
    const std::uint64_t track = kObject + 64 + at;
    memory_.put(track, caller);
    memory_.put(track + 8, kHandle | 5u << 27);  // its user's own bits on top
    memory_.put(track + 12, cpu);
    memory_.put(track + 16, pid);
    memory_.put(track + 24, when);
  }
  // The same cache as KASAN has it: its notes, and the shadow of its text, data and object.
  void kasan(std::uint8_t shadow) {
    cache_.flags = 0;
    memory_.put(kCache + 96, std::uint32_t{80});
    memory_.put(kObject + 80, std::uint32_t{7});
    memory_.put(kObject + 84, kHandle);
    memory_.put(kObject + 8, std::uint32_t{9});
    memory_.put(kObject + 12, kHandle);
    functions_ = {"kasan_save_stack", "kmalloc_trace", "my_driver", "kasan_quarantine_put"};
    memory_.pages.write(kShadow + (kText >> 3), std::vector<std::byte>(256));
    memory_.pages.write(kShadow + (kData >> 3), std::vector<std::byte>(256, std::byte{0xf9}));
    memory_.put(kShadow + (kObject >> 3), shadow);
  }

  const Kernel& kernel() {
    KallsymsTables tables{{{kText, 'T', "_stext"}}};
    std::uint64_t at = kText + 0x100;
    for (const std::string& name : functions_) {
      tables.entries.push_back({at, 'T', name});
      at += 0x100;
    }
    tables.entries.push_back({kText + 0x1000, 'T', "_etext"});
    for (const auto& [name, offset] :
         {std::pair("jiffies_64", 0), {"tick_nsec", 8}, {"stack_slabs", 0x100}}) {
      tables.entries.push_back({kData + static_cast<std::uint64_t>(offset), 'D', name});
    }
    info_.emplace(tables.write(memory_) +
                  fmt::format("SYMBOL(_stext)={:x}\nSYMBOL(swapper_pg_dir)={:x}\n", kText, kData));
    kernel_.emplace(memory_, *info_, *Kallsyms::read(memory_, *info_), types());
    return *kernel_;
  }
  std::optional<ObjectTrack> allocated() {
    return ObjectDebug(kernel()).allocated_by(cache_, VirtAddr{kObject});
  }
  std::optional<ObjectTrack> freed() {
    return ObjectDebug(kernel()).freed_by(cache_, VirtAddr{kObject});
  }

  FakeVirtMemory memory_;
  std::vector<std::string> functions_{"kmalloc_trace", "my_alloc", "my_caller"};
  std::optional<Vmcoreinfo> info_;
  std::optional<Kernel> kernel_;
  SlabCache cache_;
};

TEST_F(Tracks, ANoteOfSlubDebugHasItsCallerStackCpuPidAndAge) {
  const auto track = allocated();
  ASSERT_TRUE(track);
  EXPECT_EQ(track->source, "slub_debug");
  EXPECT_EQ(to_string(*track->caller), "my_alloc+0x10");
  ASSERT_THAT(track->stack, SizeIs(3));
  EXPECT_EQ(to_string(track->stack[0]), "kmalloc_trace+0x10");
  EXPECT_EQ(to_string(track->stack[2]), "my_caller+0x18");
  EXPECT_EQ(track->cpu, 1u);
  EXPECT_EQ(track->pid, 42u);
  EXPECT_DOUBLE_EQ(track->seconds_ago.value(), 2.0);
}

TEST_F(Tracks, AnEmptyNoteIsNone) {
  EXPECT_EQ(freed(), std::nullopt);
}

TEST_F(Tracks, TheSecondNoteIsOfTheFreeing) {
  note(32, kText + 0x310, 0, 43, 10'000);
  ASSERT_TRUE(freed());
  EXPECT_EQ(to_string(*freed()->caller), "my_caller+0x10");
  EXPECT_DOUBLE_EQ(freed()->seconds_ago.value(), 0.0);
}

TEST_F(Tracks, ANoteThatWasWrittenOverIsNotBelieved) {
  note(0, kText + 0x210, 0x6b6b6b6b, 42, 9'500);
  EXPECT_EQ(allocated(), std::nullopt);
  note(0, kText + 0x210, 1, 42, 20'000);  // of the future
  EXPECT_EQ(allocated(), std::nullopt);
  note(0, 0x4141'4141, 1, 42, 9'500);
  record({});
  EXPECT_EQ(allocated(), std::nullopt);
}

TEST_F(Tracks, ARecordThatIsNotTheHandlesOwnIsNoStack) {
  memory_.put(kPool + 0x30 + 16, kHandle + 1);
  const auto track = allocated();
  ASSERT_TRUE(track);
  EXPECT_THAT(track->stack, SizeIs(0));
  EXPECT_EQ(to_string(*track->caller), "my_alloc+0x10");
}

TEST_F(Tracks, AStackThatClaimsToBeHugeIsNone) {
  memory_.put(kPool + 0x30 + 12, 1u << 20);
  EXPECT_THAT(allocated()->stack, SizeIs(0));
}

TEST_F(Tracks, KasanNamesTheFirstCallerThatIsNoAllocator) {
  kasan(0xfa);
  const auto track = allocated();
  ASSERT_TRUE(track);
  EXPECT_EQ(track->source, "KASAN");
  EXPECT_EQ(track->pid, 7u);
  EXPECT_EQ(to_string(*track->caller), "my_driver+0x18");
  ASSERT_TRUE(freed());
  EXPECT_EQ(freed()->pid, 9u);
}

TEST_F(Tracks, KasansNoteOfTheFreeingIsThereOnlyWhenItsShadowSaysSo) {
  kasan(0xfb);
  EXPECT_TRUE(allocated());
  EXPECT_EQ(freed(), std::nullopt);
}

TEST_F(Tracks, TheShadowTellsFreedObjectsFromAllocatedOnes) {
  for (const auto& [byte, freed] : {std::pair<int, std::optional<bool>>{0xfa, true},
                                    {0xfb, true},
                                    {0xfc, true},
                                    {0x00, false},
                                    {0x05, false},
                                    {0xff, std::nullopt},
                                    {0x99, std::nullopt}}) {
    kasan(static_cast<std::uint8_t>(byte));
    EXPECT_EQ(ObjectDebug(kernel()).freed_by_shadow(cache_, VirtAddr{kObject}), freed) << byte;
  }
  kasan(0);
  cache_.flags = 0x8'0000;  // SLAB_TYPESAFE_BY_RCU: freed objects stay accessible
  EXPECT_EQ(ObjectDebug(kernel()).freed_by_shadow(cache_, VirtAddr{kObject}), std::nullopt);
}

TEST_F(Tracks, AShadowThatHoldsWhatNoShadowCanIsNotBelieved) {
  kasan(0xfa);
  EXPECT_TRUE(KasanShadow::open(kernel()));
  memory_.put(kShadow + (kText >> 3) + 16, std::uint8_t{0x41});
  EXPECT_FALSE(KasanShadow::open(kernel()));
}

TEST_F(Tracks, AShadowAddressLeadsBackToWhatItIsTheShadowOf) {
  kasan(0xfa);
  const auto shadow = KasanShadow::open(kernel());
  ASSERT_TRUE(shadow);
  EXPECT_EQ(shadow->shadow_of(VirtAddr{kObject}), VirtAddr{kShadow + (kObject >> 3)});
  EXPECT_EQ(shadow->address_of(VirtAddr{kShadow + (kObject >> 3)}), VirtAddr{kObject});
  EXPECT_EQ(shadow->address_of(VirtAddr{kText}), std::nullopt);
}

}  // namespace
}  // namespace rig::analyzer
