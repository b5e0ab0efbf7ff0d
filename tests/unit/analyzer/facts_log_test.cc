// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/log.h"

#include <gmock/gmock.h>

#include "fakes/fake_memory.h"
#include "fakes/printk_ring.h"

namespace rig::analyzer {
namespace {

using fake::FakeVirtMemory;
using testing::HasSubstr;

// A ring of 8 descriptors and 256 bytes of text, written as printk does.
class LogRing {
 public:
  static constexpr std::uint64_t kPrb = 0x1000, kRing = 0x2000, kDescs = 0x3000, kInfos = 0x4000,
                                 kText = 0x5000;
  static constexpr std::uint64_t kCount = 8, kSize = 256;

  LogRing() {
    memory.put(kPrb, kRing);
    memory.put(kRing + 0, std::uint32_t{3});  // count_bits
    memory.put(kRing + 8, kDescs);
    memory.put(kRing + 16, kInfos);
    memory.put(kRing + 48, std::uint32_t{8});  // size_bits
    memory.put(kRing + 56, kText);
    for (std::uint64_t i = 0; i < kCount; ++i) desc(i, 3, 0, 0, 0);  // reusable, as at boot
    memory.put(kText + kSize - 8, std::uint64_t{0});
    heads(0, 0);
  }

  void heads(std::uint64_t tail, std::uint64_t head) {
    memory.put(kRing + 24, head);
    memory.put(kRing + 32, tail);
  }
  void desc(std::uint64_t id, std::uint64_t state, std::uint64_t own_id, std::uint64_t begin,
            std::uint64_t next) {
    const auto at = kDescs + id % kCount * 24;
    memory.put(at, state << 62 | own_id);
    memory.put(at + 8, begin);
    memory.put(at + 16, next);
  }
  // A finished record at logical position `begin`, its text stored at `stored`.
  void record(std::uint64_t id, std::uint64_t begin, std::uint64_t next, std::uint64_t stored,
              std::string_view text, std::uint64_t nanoseconds = 3'123'456'789) {
    desc(id, 2, id, begin, next);
    const auto facts = kInfos + id % kCount * 88;
    memory.put(facts + 8, nanoseconds);
    memory.put(facts + 16, static_cast<std::uint16_t>(text.size()));
    memory.put(kText + stored, id);
    memory.pages.write(kText + stored + 8, as_bytes(text));
  }

  Result<KernelLog> read(std::uint64_t memory_bytes = 1 << 20) const {
    return read_log(memory, Vmcoreinfo(info), memory_bytes);
  }

  FakeVirtMemory memory;
  std::string info = fakes::printk_vmcoreinfo(kPrb);
};

TEST(Log, RecordsComeInOrderWithTheirTime) {
  LogRing ring;
  ring.record(6, 0, 24, 0, "first", 1'000);
  ring.record(7, 24, 56, 24, "second", 12'345'678'901);
  ring.heads(6, 7);
  const auto log = ring.read();
  ASSERT_TRUE(log) << log.error().message();
  EXPECT_EQ(log->text, "[    0.000001] first\n[   12.345678] second\n");
  EXPECT_EQ(log->records, 2u);
  EXPECT_EQ(log->broken, 0u);
}

TEST(Log, WhatProgramsWroteIsToldFromTheKernels) {
  LogRing ring;
  ring.record(0, 0, 24, 0, "kernel", 1'000);
  ring.record(1, 24, 56, 24, "BUG:\ntwo", 2'000);
  ring.memory.put(LogRing::kInfos + 88 + 18, std::uint8_t{1});  // LOG_USER
  ring.record(2, 56, 80, 56, "again", 3'000);
  ring.heads(0, 2);
  const auto log = ring.read();
  ASSERT_TRUE(log) << log.error().message();
  EXPECT_EQ(
      log->text,
      "[    0.000001] kernel\n[    0.000002] BUG:\n[    0.000002] two\n[    0.000003] again\n");
  EXPECT_EQ(kernels_text(*log), "[    0.000001] kernel\n\n\n[    0.000003] again\n");
}

TEST(Log, EveryLineOfARecordHasItsTime) {
  LogRing ring;
  ring.record(0, 0, 32, 0, "one\ntwo");
  EXPECT_EQ(ring.read()->text, "[    3.123456] one\n[    3.123456] two\n");
}

TEST(Log, ARecordThatDidNotFitBeforeTheEndIsReadFromTheStart) {
  LogRing ring;
  ring.record(0, 240, 256 + 32, 0, "wrapped");
  EXPECT_EQ(ring.read()->text, "[    3.123456] wrapped\n");
}

TEST(Log, ARecordThatEndsWithTheBufferIsReadWhereItLies) {
  LogRing ring;
  ring.record(0, 224, 256, 224, "at the end");
  EXPECT_EQ(ring.read()->text, "[    3.123456] at the end\n");
}

TEST(Log, ARecordWithoutTextIsAnEmptyLine) {
  LogRing ring;
  ring.record(0, 0, 24, 0, "gone");
  ring.desc(0, 2, 0, 3, 3);
  EXPECT_EQ(ring.read()->text, "[    3.123456] \n");
}

TEST(Log, ARecordThatAWriterDidNotFinishIsCountedAndTheRestIsRead) {
  LogRing ring;
  ring.record(0, 0, 24, 0, "before");
  ring.desc(1, 0, 1, 24, 48);
  ring.record(2, 48, 72, 48, "after");
  ring.heads(0, 2);
  const auto log = ring.read();
  EXPECT_EQ(log->text, "[    3.123456] before\n[    3.123456] after\n");
  EXPECT_EQ(log->unfinished, 1u);
}

TEST(Log, ABrokenDescriptorIsSkippedAndCounted) {
  LogRing ring;
  ring.record(0, 0, 24, 0, "before");
  ring.record(1, 24, 48, 24, "broken");
  ring.memory.put(LogRing::kText + 24, std::uint64_t{77});  // the text is another record's
  ring.record(2, 48, 72, 48, "after");
  ring.heads(0, 2);
  const auto log = ring.read();
  EXPECT_EQ(log->text, "[    3.123456] before\n[    3.123456] after\n");
  EXPECT_EQ(log->broken, 1u);
}

TEST(Log, ATextLongerThanItsBlockIsCutToIt) {
  LogRing ring;
  ring.record(0, 0, 16, 0, "12345678 and more");
  EXPECT_EQ(ring.read()->text, "[    3.123456] 12345678\n");
}

TEST(Log, HeadsThatLieNeverReadMoreThanTheRing) {
  LogRing ring;
  ring.record(0, 0, 24, 0, "only");
  for (const std::uint64_t head : {~0ull, 1ull << 61, 1ull << 40}) {
    ring.heads(0, head);
    const auto log = ring.read();
    ASSERT_TRUE(log);
    EXPECT_LE(log->records, LogRing::kCount);
  }
}

TEST(Log, SizesThatCannotBeRightAreRefusedBeforeAnythingIsAllocated) {
  LogRing ring;
  ring.memory.put(LogRing::kRing, std::uint32_t{60});
  EXPECT_THAT(ring.read().error().what, HasSubstr("cannot be right"));
  ring.memory.put(LogRing::kRing, std::uint32_t{3});
  ring.memory.put(LogRing::kRing + 48, std::uint32_t{64});
  EXPECT_THAT(ring.read().error().what, HasSubstr("cannot be right"));
}

TEST(Log, ARingLargerThanTheGuestsMemoryIsRefused) {
  LogRing ring;
  ring.record(0, 0, 24, 0, "only");
  EXPECT_TRUE(ring.read(LogRing::kCount * (24 + 88)));
  EXPECT_THAT(ring.read(LogRing::kCount * (24 + 88) - 1).error().what,
              HasSubstr("cannot be right"));
  ring.memory.put(LogRing::kRing + 48, std::uint32_t{21});
  EXPECT_THAT(ring.read(1 << 20).error().what, HasSubstr("cannot be right"));
}

TEST(Log, RecordsThatOverlapGiveNoMoreTextThanTheRingHolds) {
  LogRing ring;
  // Each begins 8 bytes after the one before and claims almost all of the buffer.
  for (std::uint64_t id = 0; id < LogRing::kCount; ++id) {
    ring.desc(id, 2, id, 8 * id, 8 * id + 192);
    ring.memory.put(LogRing::kInfos + id * 88 + 16, std::uint16_t{0xffff});
    ring.memory.put(LogRing::kText + 8 * id, id);
  }
  ring.heads(0, LogRing::kCount - 1);
  const auto log = ring.read();
  ASSERT_TRUE(log) << log.error().message();
  EXPECT_TRUE(log->overfull);
  EXPECT_EQ(log->records, 1u);
  EXPECT_LE(log->text.size(), LogRing::kSize + 32);
}

TEST(Log, AFullRingIsNotOverfull) {
  LogRing ring;
  for (std::uint64_t id = 0; id < LogRing::kCount; ++id) {
    ring.record(id, 32 * id, 32 * id + 32, 32 * id, "24 characters of a text.");
  }
  ring.heads(0, LogRing::kCount - 1);
  const auto log = ring.read();
  EXPECT_EQ(log->records, LogRing::kCount);
  EXPECT_FALSE(log->overfull);
}

TEST(Log, WhatVmcoreinfoDoesNotDescribeIsNamed) {
  LogRing ring;
  const auto at = ring.info.find("OFFSET(prb_desc_ring.infos)");
  ring.info.erase(at, ring.info.find('\n', at) - at);
  EXPECT_THAT(ring.read().error().what, HasSubstr("prb_desc_ring.infos"));
  ring.info = "OSRELEASE=5.4\n";
  EXPECT_THAT(ring.read().error().what, HasSubstr("SYMBOL(prb)"));
}

TEST(Log, APageOfTheBufferThatIsMissingIsSaid) {
  LogRing ring;
  ring.record(0, 0, 24, 0, "lost");
  ring.memory.pages.forget(LogRing::kText);
  EXPECT_FALSE(ring.read());
}

TEST(Log, AnyDamagedByteGivesALogOrAnError) {
  for (const auto page :
       {LogRing::kPrb, LogRing::kRing, LogRing::kDescs, LogRing::kInfos, LogRing::kText}) {
    for (std::uint64_t at = 0; at < 96; ++at) {
      LogRing ring;
      ring.record(0, 0, 24, 0, "first");
      ring.record(1, 24, 56, 24, "second");
      ring.heads(0, 1);
      ring.memory.put(page + at, std::uint8_t{0xff});
      const auto log = ring.read();
      EXPECT_LE(log ? log->records : 0, LogRing::kCount);
    }
  }
}

}  // namespace
}  // namespace rig::analyzer
