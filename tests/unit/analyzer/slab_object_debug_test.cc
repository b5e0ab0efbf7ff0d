// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/object_debug.h"

#include <gmock/gmock.h>

#include "analyzer/slab/debug_layout.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using fake::FakeVirtMemory;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kCacheAt = FakeVirtMemory::kDirectMap + 0x1000;
constexpr std::uint64_t kSlab = FakeVirtMemory::kDirectMap + 0x20'0000;
constexpr std::uint64_t kRedZone = 0x400, kPoison = 0x800, kKmalloc = 0x1000, kUser = 0x1'0000,
                        kObjectPoison = 0x8000'0000;
constexpr std::byte kFree{0x6b}, kEnd{0xa5}, kInUse{0x5a}, kActive{0xcc}, kInactive{0xbb};

// A cache of 60-byte objects as slub_debug=FZPU of 6.1 lays it out: 8 bytes of left red zone, the
// object, 4 bytes of right red zone, the free pointer, two tracks, what was asked for, padding.
class Debugged : public testing::Test {
 protected:
  static constexpr std::uint64_t kTrack = 32;

  static Btf types() {
    BtfBuilder btf;
    const int u64 = btf.integer("unsigned long", 8);
    const int u32 = btf.integer("unsigned int", 4);
    btf.structure("track", kTrack,
                  {{"addr", u64, 0},
                   {"handle", u32, 8},
                   {"cpu", u32, 12},
                   {"pid", u32, 16},
                   {"when", u64, 24}});
    btf.structure("kmem_cache", 128, {{"red_left_pad", u32, 84}});
    return btf.build();
  }

  Debugged() {
    cache_.at = VirtAddr{kCacheAt};
    cache_.name = "things";
    cache_.object_size = 60;
    cache_.in_use = 64;
    cache_.free_pointer = 64;
    cache_.red_left = 8;
    cache_.size = 160;
    cache_.flags = kRedZone | kPoison | kUser | kKmalloc | kObjectPoison;
    fill(ObjectState::kInactive);
  }

  static constexpr std::uint64_t kObject = kSlab + 3 * 160 + 8;
  static constexpr std::uint64_t kPadding = 64 + 8 + 2 * kTrack + 4;

  void put(std::int64_t offset, std::uint64_t count, std::byte value) {
    memory_.pages.write(kObject + static_cast<std::uint64_t>(offset),
                        std::vector<std::byte>(count, value));
  }
  void fill(ObjectState state) {
    const std::byte red = state == ObjectState::kActive ? kActive : kInactive;
    put(-8, 8, red);
    put(0, 59, state == ObjectState::kActive ? std::byte{0x11} : kFree);
    put(59, 1, state == ObjectState::kActive ? std::byte{0x11} : kEnd);
    put(60, 4, red);
    put(64, 8 + 2 * kTrack + 4, std::byte{0});
    put(kPadding, 152 - kPadding, kInUse);
  }
  std::vector<WrongBytes> check(ObjectState state) {
    return ObjectDebug(kernel_).check(cache_, VirtAddr{kObject}, state);
  }
  std::optional<ObjectState> state() {
    return ObjectDebug(kernel_).state(cache_, VirtAddr{kObject});
  }

  FakeVirtMemory memory_;
  Vmcoreinfo info_{""};
  Kernel kernel_{memory_, info_, {}, types()};
  SlabCache cache_;
};

TEST_F(Debugged, AnUntouchedObjectHasNoWrongBytesInItsState) {
  EXPECT_THAT(check(ObjectState::kInactive), IsEmpty());
  fill(ObjectState::kActive);
  EXPECT_THAT(check(ObjectState::kActive), IsEmpty());
}

TEST_F(Debugged, TheRedZonesTellTheState) {
  EXPECT_EQ(state(), ObjectState::kInactive);
  fill(ObjectState::kActive);
  EXPECT_EQ(state(), ObjectState::kActive);
  put(-8, 8, std::byte{0});  // one of the two is enough
  EXPECT_EQ(state(), ObjectState::kActive);
  put(60, 4, kInactive);
  put(-8, 8, kActive);
  EXPECT_EQ(state(), std::nullopt);
}

TEST_F(Debugged, AWriteIntoAFreeObjectIsFoundWithItsOffsetAndBytes) {
  memory_.put(kObject + 0x18, std::uint32_t{0x106});
  const auto wrong = check(ObjectState::kInactive);
  ASSERT_THAT(wrong, SizeIs(1));
  EXPECT_EQ(wrong[0].kind, CorruptionKind::kPoisonOverwritten);
  EXPECT_EQ(wrong[0].offset, 0x18);
  EXPECT_EQ(wrong[0].count, 4u);
  EXPECT_THAT(wrong[0].found, ElementsAre(std::byte{6}, std::byte{1}, std::byte{0}, std::byte{0}));
  EXPECT_THAT(wrong[0].expected, ElementsAre(kFree, kFree, kFree, kFree));
}

TEST_F(Debugged, OneWriteUpToTheEndOfAFreeObjectIsOneCorruption) {
  put(56, 4, std::byte{0x41});
  const auto wrong = check(ObjectState::kInactive);
  ASSERT_THAT(wrong, SizeIs(1));
  EXPECT_EQ(wrong[0].offset, 56);
  EXPECT_THAT(wrong[0].expected, ElementsAre(kFree, kFree, kFree, kEnd));
}

TEST_F(Debugged, ThePoisonByteAtTheEndIsExpectedThere) {
  put(59, 1, kFree);
  const auto wrong = check(ObjectState::kInactive);
  ASSERT_THAT(wrong, SizeIs(1));
  EXPECT_EQ(wrong[0].offset, 59);
  EXPECT_THAT(wrong[0].expected, ElementsAre(kEnd));
}

TEST_F(Debugged, RedZonesOnBothSidesAreLookedAt) {
  fill(ObjectState::kActive);
  put(-1, 1, std::byte{0x99});
  put(61, 2, std::byte{0x98});
  const auto wrong = check(ObjectState::kActive);
  ASSERT_THAT(wrong, SizeIs(2));
  EXPECT_EQ(wrong[0].kind, CorruptionKind::kRedZoneOverwritten);
  EXPECT_EQ(wrong[0].offset, -1);
  EXPECT_EQ(wrong[1].kind, CorruptionKind::kRedZoneOverwritten);
  EXPECT_EQ(wrong[1].offset, 61);
  EXPECT_EQ(wrong[1].count, 2u);
}

TEST_F(Debugged, PaddingBehindTheNotesIsLookedAtButNotTheNotes) {
  put(64, 8 + 2 * kTrack + 4, std::byte{0x77});
  EXPECT_THAT(check(ObjectState::kInactive), IsEmpty());
  put(kPadding + 2, 1, std::byte{0});
  const auto wrong = check(ObjectState::kInactive);
  ASSERT_THAT(wrong, SizeIs(1));
  EXPECT_EQ(wrong[0].kind, CorruptionKind::kPaddingOverwritten);
  EXPECT_EQ(wrong[0].offset, static_cast<std::int64_t>(kPadding + 2));
}

TEST_F(Debugged, AnObjectThatIsNotPoisonedMayHoldAnything) {
  cache_.flags &= ~kObjectPoison;  // a constructor, or SLAB_TYPESAFE_BY_RCU
  put(0, 60, std::byte{0x22});
  EXPECT_THAT(check(ObjectState::kInactive), IsEmpty());
}

TEST_F(Debugged, WithoutRedZonesAlignmentIsPadding) {
  cache_.flags &= ~kRedZone;
  cache_.red_left = 0;
  cache_.size = 152;
  put(60, 4, kInUse);
  EXPECT_THAT(check(ObjectState::kInactive), IsEmpty());
  EXPECT_EQ(state(), std::nullopt);
  put(62, 1, std::byte{0});
  const auto wrong = check(ObjectState::kInactive);
  ASSERT_THAT(wrong, SizeIs(1));
  EXPECT_EQ(wrong[0].kind, CorruptionKind::kPaddingOverwritten);
}

TEST_F(Debugged, FlagsThatContradictTheSizesAreNotBelieved) {
  const SlabCache sound = cache_;
  cache_.flags &= ~kRedZone;  // but there is a left pad
  EXPECT_FALSE(ObjectDebug(kernel_).checks(cache_));
  cache_ = sound;
  cache_.free_pointer = 24;  // within a poisoned object
  EXPECT_FALSE(ObjectDebug(kernel_).checks(cache_));
  cache_ = sound;
  cache_.size = 100;  // no room for the tracks
  EXPECT_FALSE(ObjectDebug(kernel_).checks(cache_));
  cache_ = sound;
  EXPECT_TRUE(ObjectDebug(kernel_).checks(cache_));
}

TEST_F(Debugged, ACacheWithoutDebuggingIsNotChecked) {
  cache_.flags = 0;
  cache_.red_left = 0;
  cache_.in_use = 60;
  cache_.free_pointer = 24;
  const ObjectDebug debug(kernel_);
  EXPECT_FALSE(debug.checks(cache_));
  EXPECT_FALSE(debug.tracks(cache_));
  EXPECT_THAT(debug.check(cache_, VirtAddr{kObject}, ObjectState::kInactive), IsEmpty());
}

TEST_F(Debugged, BytesThatTheCoreLacksAreTakenForRight) {
  cache_.object_size = 8000;
  cache_.in_use = 8008;
  cache_.free_pointer = 8008;
  cache_.size = 8192;
  put(0, 7999, kFree);
  put(7999, 1, kEnd);
  put(8000, 8, kInactive);
  put(8008 + 8 + 64 + 4, 8184 - 8084, kInUse);
  EXPECT_THAT(check(ObjectState::kInactive), IsEmpty());
  memory_.pages.forget(kObject + 4096);
  EXPECT_THAT(check(ObjectState::kInactive), IsEmpty());
  put(16, 1, std::byte{0});
  EXPECT_THAT(check(ObjectState::kInactive), SizeIs(1));
}

TEST_F(Debugged, OnlySomeOfManyWrongBytesAreKept) {
  put(0, 60, std::byte{0});
  cache_.object_size = 60;
  const auto wrong = check(ObjectState::kInactive);
  ASSERT_THAT(wrong, SizeIs(1));
  EXPECT_EQ(wrong[0].count, 60u);
  EXPECT_LE(wrong[0].found.size(), 64u);
  EXPECT_EQ(wrong[0].found.size(), wrong[0].expected.size());
}

TEST_F(Debugged, BytesBehindTheLastObjectOfASlabAreItsPadding) {
  Slab slab;
  slab.begin = VirtAddr{kSlab};
  slab.cache = cache_;
  slab.objects = 25;
  memory_.pages.write(kSlab + 25 * 160, std::vector<std::byte>(96, kInUse));
  EXPECT_EQ(ObjectDebug(kernel_).check_slab_padding(slab, 4096), std::nullopt);
  memory_.put(kSlab + 4090, std::byte{7});
  const auto wrong = ObjectDebug(kernel_).check_slab_padding(slab, 4096);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->offset, 4090);
  EXPECT_EQ(wrong->count, 1u);
}

}  // namespace
}  // namespace rig::analyzer
