// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/slab_audit.h"

#include <gmock/gmock.h>

#include "fakes/synthetic_heap.h"

namespace rig::analyzer {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kWild = 0x6b6b'6b6b'0000'0106;

// Two caches. Of the first: a full slab, one on the node's partial list, one on CPU 1's, and one
// that CPU 0 allocates from.
class Audit : public testing::Test {
 protected:
  Audit() {
    heap.cache("kmalloc-256", 256);
    heap.cache("kmalloc-1k", 1024, 1);
    full = heap.slab(0);
    partial = heap.slab(0);
    heap.partial(partial, {3, 0, 7});
    cpu_partial = heap.slab(0);
    heap.free(cpu_partial, {1, 2});
    heap.put_cpu_partial(1, {cpu_partial});
    active = heap.slab(0);
    heap.free(active, {9});
    heap.take(0, active, {4, 5, 6});
    other = heap.slab(1);
    heap.partial(other, {2});
  }

  // The one corruption that there is.
  SlabCorruption only(std::vector<AllocatorWork> work = {}) {
    const SlabFacts facts = heap.audit(std::move(work));
    EXPECT_TRUE(facts.audited);
    for (const auto& each : facts.corruptions) SCOPED_TRACE(each.summary);
    EXPECT_THAT(facts.corruptions, SizeIs(1));
    return facts.corruptions.empty() ? SlabCorruption{} : facts.corruptions[0];
  }
  void expect_clean(std::vector<AllocatorWork> work = {}) {
    const SlabFacts facts = heap.audit(std::move(work));
    for (const auto& each : facts.corruptions) ADD_FAILURE() << each.summary;
  }
  VirtAddr object(std::size_t slab, unsigned slot) const {
    return VirtAddr{heap.object(slab, slot)};
  }

  fake::SyntheticHeap heap;
  std::size_t full = 0, partial = 0, cpu_partial = 0, active = 0, other = 0;
};

TEST_F(Audit, AHealthyHeapHasNoCorruptionAndIsCountedAsCrashDoes) {
  const SlabFacts facts = heap.audit();
  EXPECT_TRUE(facts.audited);
  EXPECT_THAT(facts.corruptions, IsEmpty());
  EXPECT_THAT(facts.unwalked, IsEmpty());
  ASSERT_THAT(facts.caches, SizeIs(2));
  EXPECT_EQ(facts.caches[0].name, "kmalloc-256");
  EXPECT_EQ(facts.caches[0].slabs, 4u);
  EXPECT_EQ(facts.caches[0].total, 64u);
  EXPECT_EQ(facts.caches[0].allocated, 64u - 3 - 2 - 1 - 3);
  EXPECT_EQ(facts.caches[1].total, 8u);
  EXPECT_EQ(facts.caches[1].allocated, 7u);
  EXPECT_EQ(facts.caches[1].pages_per_slab, 2u);
}

TEST_F(Audit, PointersAsKernelsBeforeV57StoredThemAreFollowed) {
  heap.swapped = false;
  heap.free(active, {9});
  heap.take(0, active, {4, 5, 6});
  heap.free(partial, {3, 0, 7});
  heap.free(cpu_partial, {1, 2});
  heap.put_cpu_partial(1, {cpu_partial});
  heap.free(other, {2});
  expect_clean();
}

TEST_F(Audit, AFreePointerThatIsNoAddressIsToldWithTheObjectThatHoldsIt) {
  heap.memory.put(heap.link_at(partial, 0), kWild);
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kFreePointerInvalid);
  EXPECT_EQ(found.cache, "kmalloc-256");
  EXPECT_EQ(found.object, object(partial, 0));
  EXPECT_EQ(found.slab, VirtAddr{heap.slabs[partial].begin});
  EXPECT_EQ(found.offset, heap.caches[0].free_pointer);
  EXPECT_EQ(load<std::uint64_t>(found.found), kWild);
  EXPECT_EQ(found.where, "freelist of its slab");
  EXPECT_EQ(found.allocated, false);
}

// A counter of 16 bits over the upper end of the pointer, as freelist-gpf's is.
TEST_F(Audit, AFreePointerThatWasWrittenOverInPartIsToldWithWhatItWas) {
  heap.point(active, 5, heap.object(active, 6) ^ std::uint64_t{3} << 48);
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kFreePointerInvalid);
  EXPECT_THAT(found.summary, HasSubstr(fmt::format("but for byte 6 it is object {} of this slab",
                                                   object(active, 6))));
  EXPECT_EQ(found.wrong_byte, 6u);
}

TEST_F(Audit, AFreePointerThatWasWrittenOverAsAWholeHasNoWrongByte) {
  heap.point(active, 5, std::uint64_t{0x5fa6'3ef4'2ff1'ba4c});
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kFreePointerInvalid);
  EXPECT_EQ(found.wrong_byte, std::nullopt);
}

TEST_F(Audit, TheEndOfAListThatWasWrittenOverInPartIsToldToo) {
  heap.point(partial, 0, std::uint64_t{0x0102} << 48);
  EXPECT_THAT(only().summary, HasSubstr("but for bytes 6 and 7 it is NULL, the end of the list"));
}

TEST_F(Audit, AFreePointerThatLeadsToAnotherSlabIsForeign) {
  heap.point(active, 5, heap.object(other, 2));
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kFreePointerForeign);
  EXPECT_EQ(found.object, object(active, 5));
  EXPECT_EQ(found.pointer, object(other, 2));
  EXPECT_EQ(found.where, "freelist of CPU 0");
}

TEST_F(Audit, AFreePointerBetweenObjectsIsMisaligned) {
  heap.point(cpu_partial, 1, heap.object(cpu_partial, 2) + 8);
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kFreePointerMisaligned);
  EXPECT_EQ(found.object, object(cpu_partial, 1));
  EXPECT_EQ(found.pointer, object(cpu_partial, 2) + 8);
}

TEST_F(Audit, AWrongHeadOfAListHasNoObject) {
  heap.memory.put(heap.cpu_at(heap.caches[0], 0), std::uint64_t{0xdead'beef'0000});
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kFreePointerInvalid);
  EXPECT_EQ(found.object, std::nullopt);
  EXPECT_EQ(found.where, "freelist of CPU 0");
  EXPECT_EQ(found.pointer, VirtAddr{0xdead'beef'0000});
  EXPECT_THAT(found.summary, HasSubstr("begins with 0xdeadbeef0000"));
}

TEST_F(Audit, AnObjectThatLeadsToItselfWasFreedTwice) {
  heap.point(partial, 0, heap.object(partial, 0));
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kFreedTwice);
  EXPECT_EQ(found.object, object(partial, 0));
  EXPECT_THAT(found.summary, HasSubstr("is on the freelist of its slab twice: freed twice"));
}

TEST_F(Audit, AnotherObjectInBetweenDoesNotHideADoubleFree) {
  heap.point(active, 4, heap.object(active, 5));
  heap.point(active, 5, heap.object(active, 4));
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kFreedTwice);
  EXPECT_EQ(found.object, object(active, 4));
  EXPECT_THAT(found.summary, HasSubstr("freelist of CPU 0 twice"));
}

TEST_F(Audit, AnObjectOnTwoListsIsToldOnceWithBoth) {
  heap.point(active, 9, heap.object(active, 5));  // and so 6 is on both, too
  heap.counts(active, 16 - 3, true);
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kFreedTwice);
  EXPECT_EQ(found.object, object(active, 5));
  EXPECT_EQ(found.where, "freelist of CPU 0 and freelist of its slab");
}

TEST_F(Audit, CountsThatDoNotAddUpAreTold) {
  heap.counts(partial, 12, false);
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kCountsWrong);
  EXPECT_EQ(found.object, std::nullopt);
  EXPECT_THAT(found.summary, HasSubstr("counts 12 as used and 3 are on its freelist"));
}

TEST_F(Audit, AFullSlabIsFoundThoughItIsOnNoList) {
  heap.counts(full, 15, false);
  EXPECT_EQ(only().slab, VirtAddr{heap.slabs[full].begin});
}

TEST_F(Audit, AfterAListBrokeItsCountsAreNotJudged) {
  heap.point(partial, 3, heap.object(partial, 3) + 1);
  EXPECT_EQ(only().kind, CorruptionKind::kFreePointerMisaligned);
}

TEST_F(Audit, APageThatIsNoSlabOnAPartialListIsLost) {
  heap.memory.put(heap.slabs[partial].page, std::uint64_t{0});
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kSlabLost);
  EXPECT_EQ(found.slab, VirtAddr{heap.slabs[partial].begin});
  EXPECT_EQ(found.where, "partial list of node 0");
}

TEST_F(Audit, APageThatWasGivenBackWhileItWasAFullSlabIsLost) {
  heap.memory.put(heap.slabs[full].page, std::uint64_t{0});
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kSlabLost);
  EXPECT_EQ(found.slab, VirtAddr{heap.slabs[full].begin});
  EXPECT_THAT(found.summary, HasSubstr("was given back while it was a slab"));
  expect_clean({{"CPU 1", {heap.slabs[full].page}}});  // just being given back
}

TEST_F(Audit, ACpuThatAllocatesFromAnotherCachesSlabIsTold) {
  heap.memory.put(heap.cpu_at(heap.caches[0], 0) + 16, heap.slabs[other].page);
  const SlabCorruption found = only();
  EXPECT_EQ(found.kind, CorruptionKind::kSlabLost);
  EXPECT_EQ(found.slab, VirtAddr{heap.slabs[other].begin});
  EXPECT_THAT(found.summary, HasSubstr("one of kmalloc-1k"));
}

TEST_F(Audit, ListsOfSlabsThatRunInCirclesOrNowhereEnd) {
  const std::uint64_t link = heap.slabs[partial].page + 8;
  heap.memory.put(link, link);
  EXPECT_EQ(only().kind, CorruptionKind::kListBroken);
  heap.memory.put(link, kWild);
  EXPECT_EQ(only().kind, CorruptionKind::kListBroken);
  heap.memory.put(link, heap.caches[0].node + 16);
  heap.memory.put(heap.slabs[cpu_partial].page + 8, heap.slabs[cpu_partial].page);
  EXPECT_EQ(only().kind, CorruptionKind::kListBroken);
}

TEST_F(Audit, ANodesCountOfPartialSlabsIsJudgedUnlessItsLockIsHeld) {
  heap.memory.put(heap.caches[0].node + 8, std::uint64_t{2});
  EXPECT_EQ(only().kind, CorruptionKind::kCountsWrong);
  heap.memory.put(heap.caches[0].node, std::uint32_t{1});
  expect_clean();
}

// --- In the middle of the allocator's work ------------------------------------------------------

TEST_F(Audit, ASlabThatIsJustBeingSetUpIsNoCorruptionWhileSomebodyHoldsIt) {
  const auto fresh = heap.slab(0);
  heap.memory.put(heap.slabs[fresh].page + 32, heap.chain(fresh, {2, 1}));
  heap.memory.put(heap.link_at(fresh, 1), kWild);
  heap.counts(fresh, 1, false);
  EXPECT_EQ(only().kind, CorruptionKind::kFreePointerInvalid);
  const std::vector<AllocatorWork> work = {{"CPU 1", {0, heap.slabs[fresh].page, ~0ull}}};
  expect_clean(work);
  EXPECT_THAT(heap.audit(work).unwalked, testing::ElementsAre(HasSubstr("in flight on CPU 1")));
}

TEST_F(Audit, ASlabThatIsBeingMadeOrGivenBackIsNotCounted) {
  const auto fresh = heap.slab(0);
  heap.counts(fresh, 0, false);
  const SlabFacts facts = heap.audit();
  EXPECT_THAT(facts.corruptions, IsEmpty());
  EXPECT_EQ(facts.caches[0].slabs, 4u);
}

TEST_F(Audit, CountsOfASlabThatSomebodyHoldsAreNotJudged) {
  heap.counts(partial, 14, false);
  const std::vector<AllocatorWork> work = {{"task 42 (fio)", {heap.object(partial, 3)}}};
  expect_clean(work);
  EXPECT_EQ(only({{"CPU 0", {heap.slabs[full].page}}}).kind, CorruptionKind::kCountsWrong);
}

TEST_F(Audit, AFrozenSlabOnNoListIsOnItsWay) {
  heap.counts(full, 16, true);
  expect_clean();
}

TEST_F(Audit, ACpuMayHaveAListAndNoSlabForAMoment) {
  heap.memory.put(heap.cpu_at(heap.caches[0], 0) + 16, std::uint64_t{0});
  expect_clean();
}

TEST_F(Audit, TheFirstPartialSlabOfACpuMayAlreadyBeItsSlab) {
  heap.memory.put(heap.cpu_at(heap.caches[0], 1) + 16, heap.slabs[cpu_partial].page);
  expect_clean();
}

TEST_F(Audit, ASlabBetweenTwoListsIsOnNone) {
  heap.put_node(0, {});
  expect_clean();
}

TEST_F(Audit, ACorruptedPointerOnAListIsToldWhoeverHoldsTheSlab) {
  heap.memory.put(heap.link_at(partial, 0), kWild);
  EXPECT_EQ(only({{"CPU 1", {heap.slabs[partial].page}}}).kind,
            CorruptionKind::kFreePointerInvalid);
}

// --- What cannot be walked ----------------------------------------------------------------------

TEST_F(Audit, WhatIsNotInTheCoreIsSaid) {
  heap.memory.pages.forget(heap.slabs[partial].begin);
  const SlabFacts facts = heap.audit();
  EXPECT_THAT(facts.corruptions, IsEmpty());
  EXPECT_THAT(facts.unwalked, testing::ElementsAre(HasSubstr("is not in the core")));
}

TEST_F(Audit, ABrokenListOfCachesIsSaidAndTheRestAudited) {
  heap.memory.put(heap.caches[0].at + 112, kWild);
  const SlabFacts facts = heap.audit();
  EXPECT_THAT(facts.caches, SizeIs(1));
  EXPECT_THAT(facts.unwalked, testing::Contains(HasSubstr("no kmem_cache")));
}

TEST_F(Audit, SlabsOfNoCacheAreSaid) {
  heap.memory.put(heap.slabs[full].page + 24, std::uint64_t{0});
  const SlabFacts facts = heap.audit();
  EXPECT_THAT(facts.corruptions, IsEmpty());
  EXPECT_THAT(facts.unwalked, testing::ElementsAre(HasSubstr("1 slab of no cache")));
}

TEST_F(Audit, AKernelWithoutTypesIsNotAudited) {
  const Kernel bare(heap.memory, heap.info, {}, {});
  SlabReader reader(bare, architecture(Arch::kX86_64), 2);
  const SlabFacts facts = audit_slabs(reader, {});
  EXPECT_FALSE(facts.audited);
  EXPECT_THAT(facts.unwalked, testing::ElementsAre(HasSubstr("carries no types")));
}

// As Debian's arm64 kernels are: only what is exported has a name.
TEST_F(Audit, WhereTheListOfCachesHasNoNameAnyCacheLeadsToAll) {
  constexpr std::uint64_t kTable = fake::SyntheticHeap::kVariables + 0x200;
  heap.memory.put(kTable, std::uint64_t{0});
  heap.memory.put(kTable + 8, heap.caches[1].at);
  std::string text = fake::SyntheticHeap::info_text();
  text.replace(text.find("slab_caches"),
               text.find('\n', text.find("slab_caches")) - text.find("slab_caches"),
               fmt::format("kmalloc_caches)={:x}", kTable));
  const Vmcoreinfo info(text);
  const Kernel kernel(heap.memory, info, {}, fake::SyntheticHeap::types());
  SlabReader reader(kernel, architecture(Arch::kX86_64), 2);
  std::string why;
  EXPECT_THAT(reader.caches().all(why), testing::UnorderedElementsAre(VirtAddr{heap.caches[0].at},
                                                                      VirtAddr{heap.caches[1].at}));
  EXPECT_EQ(why, "");
  // A second link that lies in no cache breaks the list.
  heap.memory.put(heap.caches[0].at + 112, kTable);
  EXPECT_THAT(reader.caches().all(why), SizeIs(testing::Le(2u)));
  EXPECT_THAT(why, HasSubstr("is no kmem_cache"));
}

TEST_F(Audit, TheNumberOfCorruptionsIsBounded) {
  for (int i = 0; i < 1200; ++i) heap.counts(heap.slab(0), 3, false);
  const SlabFacts facts = heap.audit();
  EXPECT_THAT(facts.corruptions, SizeIs(1000));
  EXPECT_THAT(facts.unwalked, testing::Contains(HasSubstr("200 more corruptions")));
}

TEST_F(Audit, AnyDamagedByteGivesAnAnswer) {
  const std::vector<std::uint64_t> places = {heap.caches[0].at,           heap.caches[0].at + 64,
                                             heap.caches[0].node,         heap.caches[0].cpu,
                                             heap.slabs[partial].page,    heap.slabs[active].page,
                                             heap.slabs[cpu_partial].page};
  for (const std::uint64_t begin : places) {
    for (std::uint64_t at = begin; at < begin + 64; at += 3) {
      const auto before = *heap.memory.load<std::uint8_t>(VirtAddr{at});
      for (const unsigned value : {0x00u, 0x80u, 0xffu}) {
        heap.memory.put(at, static_cast<std::uint8_t>(value));
        (void)heap.audit();
      }
      heap.memory.put(at, before);
    }
  }
}

// --- With debug bytes ---------------------------------------------------------------------------

// Objects of 60 bytes as slub_debug=ZP lays them out: left red zone, object, right red zone, free
// pointer, padding.
class DebuggedAudit : public testing::Test {
 protected:
  static constexpr std::uint32_t kRedZone = 0x400, kPoison = 0x800, kObjectPoison = 0x8000'0000;
  static constexpr std::byte kActive{0xcc}, kInactive{0xbb}, kInUse{0x5a};

  DebuggedAudit() {
    heap.cache("things", 88, 0, kRedZone | kPoison | kObjectPoison, 60, 8);
    slab = heap.slab(0);
    for (unsigned slot = 0; slot < heap.caches[0].objects; ++slot) fill(slot, kActive);
    fill(2, kInactive);
    fill(5, kInactive);
    heap.partial(slab, {5, 2});
    const std::uint64_t used = heap.caches[0].objects * 88;
    bytes(heap.slabs[slab].begin + used, 4096 - used, kInUse);
  }

  void bytes(std::uint64_t at, std::uint64_t count, std::byte value) {
    heap.memory.pages.write(at, std::vector<std::byte>(count, value));
  }
  void fill(unsigned slot, std::byte red) {
    const std::uint64_t at = heap.object(slab, slot);
    bytes(at - 8, 8, red);
    bytes(at, 60, red == kActive ? std::byte{0x11} : std::byte{0x6b});
    if (red == kInactive) bytes(at + 59, 1, std::byte{0xa5});
    bytes(at + 60, 4, red);
    bytes(at + 72, 8, kInUse);
  }
  std::vector<SlabCorruption> audit(std::vector<AllocatorWork> work = {}) {
    return heap.audit(std::move(work), true).corruptions;
  }

  fake::SyntheticHeap heap;
  std::size_t slab = 0;
};

TEST_F(DebuggedAudit, UntouchedObjectsAreRight) {
  EXPECT_THAT(audit(), IsEmpty());
}

TEST_F(DebuggedAudit, AWriteIntoAFreeObjectIsToldWithItsBytes) {
  heap.memory.put(heap.object(slab, 2) + 0x18, std::uint32_t{0x106});
  const auto found = audit();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].kind, CorruptionKind::kPoisonOverwritten);
  EXPECT_EQ(found[0].object, VirtAddr{heap.object(slab, 2)});
  EXPECT_EQ(found[0].offset, 0x18);
  EXPECT_EQ(load<std::uint32_t>(found[0].found), 0x106u);
  EXPECT_EQ(load<std::uint32_t>(found[0].expected), 0x6b6b6b6bu);
  EXPECT_EQ(found[0].allocated, false);
  EXPECT_EQ(found[0].where, "freelist of its slab");
}

TEST_F(DebuggedAudit, AnObjectOnAListThatIsInUseIsToldOnce) {
  fill(2, kActive);
  const auto found = audit();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].kind, CorruptionKind::kFreeAndInUse);
  EXPECT_EQ(found[0].object, VirtAddr{heap.object(slab, 2)});
}

TEST_F(DebuggedAudit, AnAllocatedObjectsRedZoneIsCheckedInFullSlabsToo) {
  heap.put_node(0, {});
  heap.free(slab, {});
  fill(2, kActive);
  fill(5, kActive);
  bytes(heap.object(slab, 7) + 60, 1, std::byte{0});
  const auto found = audit();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].kind, CorruptionKind::kRedZoneOverwritten);
  EXPECT_EQ(found[0].allocated, true);
  EXPECT_EQ(found[0].where, "on no freelist");
}

// Where the kernel checks an object before it hands it out, and found it wrong.
TEST_F(DebuggedAudit, AnObjectThatWasJustTakenFromItsListIsCheckedAsAFreeOne) {
  heap.free(slab, {2});
  bytes(heap.object(slab, 5) + 0x20, 1, std::byte{0});
  const auto found = audit();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].kind, CorruptionKind::kPoisonOverwritten);
  EXPECT_EQ(found[0].object, VirtAddr{heap.object(slab, 5)});
}

TEST_F(DebuggedAudit, AnObjectWhoseDebugBytesAreJustBeingWrittenIsNoCorruption) {
  bytes(heap.object(slab, 7), 20, std::byte{0x6b});
  bytes(heap.object(slab, 7) - 8, 8, kInactive);
  EXPECT_THAT(audit(), SizeIs(testing::Ge(1u)));
  EXPECT_THAT(audit({{"CPU 0", {heap.object(slab, 7) + 20}}}), IsEmpty());
  EXPECT_THAT(audit({{"CPU 0", {heap.object(slab, 8)}}}), SizeIs(testing::Ge(1u)));
}

TEST_F(DebuggedAudit, ThePaddingBehindTheLastObjectIsTheSlabs) {
  bytes(heap.slabs[slab].begin + 4090, 2, std::byte{0});
  const auto found = audit();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].kind, CorruptionKind::kPaddingOverwritten);
  EXPECT_EQ(found[0].object, std::nullopt);
  EXPECT_EQ(found[0].offset, 4090);
}

}  // namespace
}  // namespace rig::analyzer
