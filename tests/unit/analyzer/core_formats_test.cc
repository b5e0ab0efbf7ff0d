// SPDX-License-Identifier: Apache-2.0
// The same core in every container, plain and flattened: the answers must be the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "analyzer/core/core.h"
#include "fakes/synthetic_core.h"

namespace rig::analyzer {
namespace {

using fakes::CoreForm;
using fakes::CoreFormat;
using fakes::SyntheticCore;
using testing::HasSubstr;
using testing::IsEmpty;

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(generator());
  return bytes;
}

std::string repeated(std::string_view text, std::size_t size) {
  std::string bytes;
  while (bytes.size() < size) bytes += text;
  bytes.resize(size);
  return bytes;
}

constexpr std::uint64_t kHigh = 0x1'4000'0000;  // above 4 GB: page numbers and addresses are 64-bit

class CoreFormats : public testing::TestWithParam<CoreForm> {
 protected:
  Result<Core> open(const SyntheticCore& synthetic) {
    const fs::path path = folder_->path() / "vmcore";
    const Status written = synthetic.write(path, GetParam().format, GetParam().flattened);
    EXPECT_TRUE(written) << written.error().message();
    return Core::open(path);
  }
  bool is_kdump() const { return GetParam().format != CoreFormat::kElf; }

  Result<TempDir> folder_ = TempDir::create("core-formats");
};

SyntheticCore small_core() {
  SyntheticCore core;
  core.page(PhysAddr{0x1000}, as_bytes(repeated("the quick brown fox ", 4096)))
      .page(PhysAddr{0x2000}, as_bytes(random_bytes(4096, 1)))  // does not compress
      .page(PhysAddr{0x3000}, as_bytes(std::string(4096, '\0')))
      .page(PhysAddr{0x4000}, as_bytes(repeated("abc", 4096)))
      .excluded(PhysAddr{0x5000})
      .page(PhysAddr{0x6000}, as_bytes(repeated("def", 4096)))
      .page(PhysAddr{kHigh}, as_bytes(repeated("high", 4096)))
      .vmcoreinfo("OSRELEASE=6.1.0-test\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffffffff81000000\n")
      .prstatus_of_pid(1)
      .prstatus_of_pid(2);
  return core;
}

TEST_P(CoreFormats, PagesReadBackAcrossPageBoundaries) {
  const auto core = open(small_core());
  ASSERT_TRUE(core) << core.error().message();
  const std::string expected = repeated("the quick brown fox ", 4096) + random_bytes(4096, 1) +
                               std::string(4096, '\0') + repeated("abc", 4096);
  std::string all(expected.size(), '?');
  ASSERT_TRUE(core->memory().read(PhysAddr{0x1000}, std::as_writable_bytes(std::span(all))));
  EXPECT_EQ(all, expected);
  std::string middle(0x2100, '?');
  ASSERT_TRUE(core->memory().read(PhysAddr{0x1f80}, std::as_writable_bytes(std::span(middle))));
  EXPECT_EQ(middle, expected.substr(0xf80, middle.size()));
}

TEST_P(CoreFormats, MemoryAbove4GigabytesIsFound) {
  const auto core = open(small_core());
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_EQ(core->memory().load<std::uint32_t>(PhysAddr{kHigh + 8}), 0x68676968u);  // "high"
}

TEST_P(CoreFormats, ReadingTwiceGivesTheSame) {
  const auto core = open(small_core());
  ASSERT_TRUE(core) << core.error().message();
  const auto first = core->memory().load<std::uint64_t>(PhysAddr{0x1008});
  const auto second = core->memory().load<std::uint64_t>(PhysAddr{0x1008});
  ASSERT_TRUE(first);
  EXPECT_EQ(first, second);
}

TEST_P(CoreFormats, ReadingNothingSucceedsAnywhere) {
  const auto core = open(small_core());
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_TRUE(core->memory().read(PhysAddr{0x7777'0000}, {}));
}

TEST_P(CoreFormats, MissingMemoryIsNotPresentAtItsAddress) {
  const auto core = open(small_core());
  ASSERT_TRUE(core) << core.error().message();
  for (const std::uint64_t address : std::initializer_list<std::uint64_t>{
           0, 0x7000, kHigh + 0x1000, ~std::uint64_t{7}, std::uint64_t{1} << 52}) {
    const auto value = core->memory().load<std::uint64_t>(PhysAddr{address});
    ASSERT_FALSE(value) << address;
    EXPECT_EQ(value.error().why, Absence::kNotPresent) << address;
    EXPECT_EQ(value.error().address, address);
  }
}

TEST_P(CoreFormats, ExcludedPageIsSaidToBeExcludedWhereTheFormatKnows) {
  const auto core = open(small_core());
  ASSERT_TRUE(core) << core.error().message();
  std::string across(0x3000, '?');
  const auto read =
      core->memory().read(PhysAddr{0x4800}, std::as_writable_bytes(std::span(across)));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().address, 0x5000u);
  EXPECT_EQ(read.error().why, is_kdump() ? Absence::kExcluded : Absence::kNotPresent);
  EXPECT_EQ(across.substr(0, 0x800), repeated("abc", 4096).substr(0x800));
}

TEST_P(CoreFormats, RangesAreTheGuestsMemoryWithWhatWasLeftOut) {
  const auto core = open(small_core());
  ASSERT_TRUE(core) << core.error().message();
  const auto ranges = core->memory().ranges();
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[0].begin, PhysAddr{0x1000});
  EXPECT_EQ(ranges[0].size, 0x6000u);
  EXPECT_EQ(ranges[1].begin, PhysAddr{kHigh});
  EXPECT_EQ(ranges[1].size, 0x1000u);
}

TEST_P(CoreFormats, NotesGiveCpusAndVmcoreinfo) {
  const auto core = open(small_core());
  ASSERT_TRUE(core) << core.error().message();
  ASSERT_EQ(core->cpus().size(), 2u);
  EXPECT_EQ(core->cpus()[0].index, 0u);
  EXPECT_EQ(core->cpus()[1].pid, 2u);
  EXPECT_EQ(core->cpus()[1].prstatus.size(), 336u);
  EXPECT_TRUE(core->cpus()[1].qemu.empty());
  ASSERT_TRUE(core->vmcoreinfo());
  EXPECT_EQ(core->vmcoreinfo()->value("OSRELEASE"), "6.1.0-test");
  EXPECT_FALSE(core->vmcoreinfo_searched());
}

TEST_P(CoreFormats, QemuNotesBelongToTheirCpus) {
  SyntheticCore synthetic;
  synthetic.page(PhysAddr{0}, as_bytes("x"));
  const std::string prstatus(336, '\1');
  synthetic.prstatus(as_bytes(prstatus), as_bytes("state of CPU 0"));
  synthetic.prstatus(as_bytes(prstatus), as_bytes("and of CPU 1"));
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  ASSERT_EQ(core->cpus().size(), 2u);
  EXPECT_EQ(as_text(core->cpus()[0].qemu), "state of CPU 0");
  EXPECT_EQ(as_text(core->cpus()[1].qemu), "and of CPU 1");
}

TEST_P(CoreFormats, FormatAndArchAreNamed) {
  SyntheticCore synthetic = small_core();
  synthetic.arch(Arch::kArm64);
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_EQ(core->arch(), Arch::kArm64);
  static constexpr std::string_view kNames[] = {"ELF",
                                                "kdump-compressed (uncompressed)",
                                                "kdump-compressed (zlib)",
                                                "kdump-compressed (lzo)",
                                                "kdump-compressed (snappy)",
                                                "kdump-compressed (zstd)"};
  EXPECT_EQ(core->format(), std::string(kNames[static_cast<std::size_t>(GetParam().format)]) +
                                (GetParam().flattened ? ", flattened" : ""));
}

TEST_P(CoreFormats, SoundCoreWithEverythingHasNoRemarks) {
  SyntheticCore synthetic;
  synthetic.page(PhysAddr{0}, as_bytes("x")).prstatus_of_pid(1).vmcoreinfo("OSRELEASE=1\n");
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_THAT(core->remarks(), IsEmpty());
}

TEST_P(CoreFormats, MissingNotesAreRemarkedOn) {
  SyntheticCore synthetic;
  synthetic.page(PhysAddr{0x1000}, as_bytes("x"));
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_TRUE(core->cpus().empty());
  EXPECT_FALSE(core->vmcoreinfo());
  EXPECT_FALSE(core->vmcoreinfo_searched());
  EXPECT_THAT(core->remarks(),
              testing::UnorderedElementsAre(HasSubstr("no CPU notes"), HasSubstr("VMCOREINFO")));
}

TEST_P(CoreFormats, CutShortFileKeepsWhatItHasAndSaysSo) {
  SyntheticCore synthetic;
  for (unsigned page = 0; page < 64; ++page) {
    synthetic.page(PhysAddr{page * 0x1000}, as_bytes(random_bytes(4096, page)));
  }
  const std::string whole = synthetic.prstatus_of_pid(1).bytes(GetParam().format);
  std::string file = GetParam().flattened ? fakes::flattened(whole) : whole;
  file.resize(file.size() * 3 / 4);
  const fs::path path = folder_->path() / "cut";
  ASSERT_TRUE(fakes::write_bytes(path, file));
  const auto core = Core::open(path);
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_THAT(core->remarks(), testing::Contains(HasSubstr("cut short")));
  EXPECT_TRUE(core->memory().load<std::uint64_t>(PhysAddr{0x3000}));
  const auto lost = core->memory().load<std::uint64_t>(PhysAddr{63 * 0x1000});
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().why, Absence::kDamaged);
  EXPECT_EQ(lost.error().address, 63u * 0x1000);
}

TEST_P(CoreFormats, MorePagesThanTheCacheHoldsStillReadRight) {
  SyntheticCore synthetic;
  constexpr unsigned kPages = 6000;  // the cache holds 4096
  for (unsigned page = 0; page < kPages; ++page) {
    synthetic.page(PhysAddr{page * 0x1000}, as_bytes(repeated(std::to_string(page) + " ", 4096)));
  }
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned page = 0; page < kPages; page += 1 + page % 3) {
      std::string text(5, '?');
      ASSERT_TRUE(
          core->memory().read(PhysAddr{page * 0x1000}, std::as_writable_bytes(std::span(text))));
      EXPECT_EQ(text, repeated(std::to_string(page) + " ", 5));
    }
  }
}

TEST_P(CoreFormats, BulkReadsEqualSmallOnes) {
  SyntheticCore synthetic;
  std::string all;
  for (unsigned page = 0; page < 128; ++page) {
    const std::string content =
        page % 3 == 0 ? random_bytes(4096, page) : repeated(std::to_string(page), 4096);
    synthetic.page(PhysAddr{page * 0x1000}, as_bytes(content));
    all += content;
  }
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  std::string bulk(all.size() - 200, '?');
  ASSERT_TRUE(core->memory().read(PhysAddr{100}, std::as_writable_bytes(std::span(bulk))));
  EXPECT_EQ(bulk, all.substr(100, bulk.size()));
}

INSTANTIATE_TEST_SUITE_P(All, CoreFormats, testing::ValuesIn(fakes::all_core_forms()),
                         [](const auto& form) { return to_string(form.param); });

}  // namespace
}  // namespace rig::analyzer
