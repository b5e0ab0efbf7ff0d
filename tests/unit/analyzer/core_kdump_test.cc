// SPDX-License-Identifier: Apache-2.0
// What is particular to kdump-compressed cores, and their parts: bitmap, cache, headers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <random>

#include "analyzer/core/core.h"
#include "analyzer/core/kdump.h"
#include "analyzer/core/page_bitmap.h"
#include "analyzer/core/page_cache.h"
#include "fakes/synthetic_core.h"

namespace rig::analyzer {
namespace {

using fakes::CoreFormat;
using fakes::SyntheticCore;
using testing::Contains;
using testing::HasSubstr;

// The offsets that crash(8) and makedumpfile, built with gcc for 64 bits, give the fields.
static_assert(offsetof(KdumpMainHeader, machine) == 272);
static_assert(offsetof(KdumpMainHeader, status) == 424);
static_assert(offsetof(KdumpMainHeader, block_size) == 428);
static_assert(offsetof(KdumpMainHeader, max_mapnr) == 440);
static_assert(offsetof(KdumpSubHeader, split) == 12);
static_assert(offsetof(KdumpSubHeader, vmcoreinfo_offset) == 32);
static_assert(offsetof(KdumpSubHeader, notes_offset) == 48);
static_assert(offsetof(KdumpSubHeader, max_mapnr_64) == 96);

class Kdump : public testing::Test {
 protected:
  Result<Core> open(const SyntheticCore& synthetic, CoreFormat format = CoreFormat::kKdumpZlib) {
    return open_bytes(synthetic.bytes(format));
  }
  Result<Core> open_bytes(std::string_view bytes) {
    const fs::path path = folder_->path() / "vmcore";
    EXPECT_TRUE(fakes::write_bytes(path, bytes));
    return Core::open(path);
  }
  static SyntheticCore core() {
    SyntheticCore synthetic;
    for (std::uint64_t page = 0; page < 40; ++page) {
      synthetic.page(PhysAddr{page * 0x1000}, as_bytes(std::string(4096, char('A' + page))));
    }
    synthetic.prstatus_of_pid(1).vmcoreinfo("OSRELEASE=6.1\n");
    return synthetic;
  }
  Result<TempDir> folder_ = TempDir::create("kdump");
};

TEST_F(Kdump, BlocksOf64KilobytesAreReadByAddressAsAnyOther) {
  SyntheticCore synthetic = core();
  const auto opened = open(synthetic.arch(Arch::kArm64).block_size(65536));
  ASSERT_TRUE(opened) << opened.error().message();
  std::string text(0x2000, '?');
  ASSERT_TRUE(opened->memory().read(PhysAddr{0xf800}, std::as_writable_bytes(std::span(text))));
  EXPECT_EQ(text, std::string(0x800, 'P') + std::string(0x1000, 'Q') + std::string(0x800, 'R'));
  EXPECT_THAT(opened->cpus(), testing::SizeIs(1));
}

TEST_F(Kdump, EveryHeaderVersionOpens) {
  for (std::uint32_t version = 0; version <= 6; ++version) {
    SyntheticCore synthetic = core();
    const auto opened = open(synthetic.header_version(version));
    ASSERT_TRUE(opened) << version << opened.error().message();
    EXPECT_EQ(opened->memory().load<char>(PhysAddr{0x4123}), 'E') << version;
    EXPECT_EQ(opened->vmcoreinfo().has_value(), version >= 3) << version;
    EXPECT_EQ(opened->cpus().size(), version >= 4 ? 1u : 0u) << version;
  }
}

TEST_F(Kdump, NewerHeaderVersionIsRefusedByNumber) {
  SyntheticCore synthetic = core();
  const auto opened = open(synthetic.header_version(7));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().blame, Blame::kInput);
  EXPECT_THAT(opened.error().what, HasSubstr("version 7"));
}

TEST_F(Kdump, PartOfASplitDumpReadsItsPagesAndSaysThatOthersAreElsewhere) {
  SyntheticCore synthetic = core();
  const auto opened = open(synthetic.part(PhysAddr{0xa000}, PhysAddr{0x14000}));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->memory().load<char>(PhysAddr{0xa000}), 'K');
  EXPECT_EQ(opened->memory().load<char>(PhysAddr{0x13fff}), 'T');
  for (const std::uint64_t outside : {0x9fffull, 0x14000ull}) {
    const auto value = opened->memory().load<char>(PhysAddr{outside});
    ASSERT_FALSE(value);
    EXPECT_EQ(value.error().why, Absence::kMissingPart);
  }
  EXPECT_THAT(opened->remarks(), Contains(HasSubstr("it has the memory from 0x0 to 0xa000")));
}

TEST_F(Kdump, ExcludedPagesAreCountedInARemark) {
  SyntheticCore synthetic = core();
  const auto opened = open(synthetic.excluded(PhysAddr{0x30000}).excluded(PhysAddr{0x31000}));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_THAT(opened->remarks(), Contains(HasSubstr("2 of 42 pages were left out")));
}

TEST_F(Kdump, DumpThatRanOutOfSpaceSaysSo) {
  SyntheticCore synthetic = core();
  const auto opened = open(synthetic.status(kKdumpIncomplete));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_THAT(opened->remarks(), Contains(HasSubstr("ran out of space")));
}

TEST_F(Kdump, ArchComesFromTheNotesWhenUtsnameIsEmpty) {
  SyntheticCore synthetic;
  synthetic.arch(Arch::kArm64).page(PhysAddr{0}, as_bytes("x")).prstatus_of_pid(1).machine("");
  const auto opened = open(synthetic);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->arch(), Arch::kArm64);
}

TEST_F(Kdump, QemuCallsTheMachineOfAnArm64GuestUnknown) {
  SyntheticCore synthetic;
  synthetic.arch(Arch::kArm64).page(PhysAddr{0}, as_bytes("x")).prstatus_of_pid(1);
  const auto opened = open(synthetic.machine("Unknown"));
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->arch(), Arch::kArm64);
}

TEST_F(Kdump, OtherArchitecturesAreRefusedByName) {
  SyntheticCore synthetic = core();
  const auto opened = open(synthetic.machine("s390x"));
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().what, HasSubstr("s390x"));
}

TEST_F(Kdump, PageThatDoesNotDecompressIsDamagedAndItsNeighboursAreNot) {
  for (const CoreFormat format : fakes::kAllCoreFormats) {
    if (format == CoreFormat::kElf || format == CoreFormat::kKdumpRaw) continue;
    std::string bytes = core().bytes(format);
    // Descriptors follow one block each of header and sub-header and two of bitmaps.
    const auto third = load<KdumpPageDescriptor>(as_bytes(bytes), 4 * 4096 + 3 * 24);
    ASSERT_TRUE(third);
    for (std::uint32_t i = 0; i < third->size; ++i) bytes[third->offset + i] = '\xff';
    const auto opened = open_bytes(bytes);
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(opened->memory().load<char>(PhysAddr{0x2000}), 'C');
    for (int twice = 0; twice < 2; ++twice) {
      const auto value = opened->memory().load<char>(PhysAddr{0x3000});
      ASSERT_FALSE(value) << to_string(format);
      EXPECT_EQ(value.error(), (ReadFault{Absence::kDamaged, 0x3000}));
    }
    EXPECT_EQ(opened->memory().load<char>(PhysAddr{0x4000}), 'E');
  }
}

TEST_F(Kdump, AbsurdHeadersAreErrorsNotAllocations) {
  const std::string good = core().bytes(CoreFormat::kKdumpZlib);
  const std::size_t fields[] = {offsetof(KdumpMainHeader, block_size),
                                offsetof(KdumpMainHeader, sub_header_blocks),
                                offsetof(KdumpMainHeader, bitmap_blocks),
                                offsetof(KdumpMainHeader, max_mapnr),
                                4096 + offsetof(KdumpSubHeader, notes_size),
                                4096 + offsetof(KdumpSubHeader, notes_offset),
                                4096 + offsetof(KdumpSubHeader, vmcoreinfo_size),
                                4096 + offsetof(KdumpSubHeader, max_mapnr_64),
                                4096 + offsetof(KdumpSubHeader, max_mapnr_64) + 4};
  for (const std::size_t field : fields) {
    for (const std::uint32_t value : {0u, 1u, 0x7fffffffu, 0xffffffffu}) {
      std::string bad = good;
      std::memcpy(bad.data() + field, &value, sizeof value);
      const auto opened = open_bytes(bad);
      if (!opened) continue;
      (void)opened->memory().load<std::uint64_t>(PhysAddr{0x3000});
      EXPECT_LE(opened->memory().ranges().size(), 65537u);
    }
  }
}

TEST(PageBitmap, RankAndNextAgreeWithCountingBitByBit) {
  std::mt19937 generator(7);
  for (const std::size_t size : {0u, 1u, 7u, 8u, 63u, 64u, 65u, 511u, 512u, 513u, 1000u, 5000u}) {
    std::vector<std::byte> bytes(size / 8 + 1);
    for (std::byte& byte : bytes) byte = std::byte(generator() & generator());
    const PageBitmap bitmap(bytes, size);
    ASSERT_EQ(bitmap.size(), size);
    std::uint64_t count = 0;
    for (std::uint64_t bit = 0; bit <= size; ++bit) {
      EXPECT_EQ(bitmap.rank(bit), count) << size << ' ' << bit;
      std::uint64_t next = bit;
      while (next < size && !bitmap.test(next)) ++next;
      EXPECT_EQ(bitmap.next(bit, true), next);
      count += bitmap.test(bit) ? 1 : 0;
    }
    EXPECT_FALSE(bitmap.test(size));
    EXPECT_EQ(bitmap.next(0, false) == size, bitmap.count() == size);
  }
}

TEST(PageCache, PageInUseOutlivesPagesThatAreReadOnce) {
  PageCache cache(4096);
  std::memset(cache.insert(0).data(), 1, 4096);
  for (std::uint64_t page = 1; page < 100000; ++page) {
    ASSERT_FALSE(cache.find(0).empty()) << page;
    std::memset(cache.insert(page).data(), 2, 16);
  }
  EXPECT_EQ(cache.find(0)[100], std::byte{1});
}

TEST(PageCache, ForgottenPageIsGone) {
  PageCache cache(65536);
  EXPECT_TRUE(cache.find(3).empty());
  cache.insert(3);
  EXPECT_EQ(cache.find(3).size(), 65536u);
  cache.forget(3);
  EXPECT_TRUE(cache.find(3).empty());
}

TEST_F(Kdump, AMachinesNameCannotSteerTheTerminal) {
  SyntheticCore synthetic;
  synthetic.page(PhysAddr{0x1000}, as_bytes("x")).machine("\x1b[2Jmips\x9b");
  const auto core = open(synthetic);
  ASSERT_FALSE(core);
  EXPECT_THAT(core.error().message(), HasSubstr("[2Jmips? machine"));
  EXPECT_THAT(core.error().message(), testing::Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace rig::analyzer
