// SPDX-License-Identifier: Apache-2.0
// What is written is what the analyzer's reader of kdump files finds.
#include "kdump/kdump_file.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

#include "analyzer/core/core.h"
#include "base/file.h"

namespace rig::kdump {
namespace {

using analyzer::Absence;
using analyzer::Core;
using testing::Contains;
using testing::HasSubstr;

constexpr std::uint64_t kPage = 4096;

// A page that packs well, one that does not, by number.
std::vector<std::byte> page_of(std::uint64_t number, bool noise) {
  std::vector<std::byte> page(kPage);
  std::uint64_t state = number * 0x9e37'79b9'7f4a'7c15 + 1;
  for (std::byte& byte : page) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = std::byte(noise ? static_cast<std::uint8_t>(state >> 56) : number + 1);
  }
  return page;
}

class KdumpFileTest : public testing::Test {
 protected:
  KdumpFileTest() : folder_(std::move(*TempDir::create("kdump-file-test"))), ram_(100) {
    head_.uts[0] = "Linux";
    head_.uts[2] = "6.1.0-test";
    head_.uts[4] = "x86_64";
    head_.dump_level = 31;
    ram_.insert(10, 80);
  }

  fs::path path() const { return folder_.path() / "vmcore"; }
  std::vector<std::byte> read(const Core& core, std::uint64_t number) const {
    std::vector<std::byte> bytes(kPage);
    EXPECT_TRUE(core.memory().read(PhysAddr{number * kPage}, bytes)) << number;
    return bytes;
  }
  Absence absence(const Core& core, std::uint64_t number) const {
    std::byte byte;
    const auto got = core.memory().read(PhysAddr{number * kPage}, MutableBytes(&byte, 1));
    EXPECT_FALSE(got) << number;
    return got ? Absence{} : got.error().why;
  }

  TempDir folder_;
  KdumpHead head_;
  PageSet ram_;
};

TEST_F(KdumpFileTest, PagesAreReadAsTheyWereWritten) {
  auto file = KdumpFile::create(path(), head_, ram_, 80);
  ASSERT_TRUE(file) << file.error().message();
  ASSERT_TRUE(file->add(10, page_of(10, false)));
  ASSERT_TRUE(file->add(11, page_of(11, true)));
  ASSERT_TRUE(file->add_zeros(12));
  ASSERT_TRUE(file->add_zeros(40));
  ASSERT_TRUE(file->add(89, page_of(89, false)));
  EXPECT_FALSE(fs::exists(path())) << "it is not whole yet";
  ASSERT_TRUE(file->finish());

  const auto core = Core::open(path());
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_EQ(core->format(), "kdump-compressed (zlib)");
  EXPECT_EQ(read(*core, 10), page_of(10, false));
  EXPECT_EQ(read(*core, 11), page_of(11, true));
  EXPECT_EQ(read(*core, 12), std::vector<std::byte>(kPage));
  EXPECT_EQ(read(*core, 40), std::vector<std::byte>(kPage));
  EXPECT_EQ(read(*core, 89), page_of(89, false));
  EXPECT_EQ(absence(*core, 13), Absence::kExcluded);
  EXPECT_EQ(absence(*core, 9), Absence::kNotPresent);
  EXPECT_EQ(absence(*core, 90), Absence::kNotPresent);
  EXPECT_THAT(core->remarks(), Contains(HasSubstr("75 of 80 pages were left out")));
}

TEST_F(KdumpFileTest, NotesAndVmcoreinfoAreFoundInIt) {
  const std::string text = "OSRELEASE=6.1.0-test\nPAGESIZE=4096\n";
  head_.notes = std::string(24, '\0') + text;
  head_.vmcoreinfo_offset = 24;
  head_.vmcoreinfo_size = text.size();
  auto file = KdumpFile::create(path(), head_, ram_, 1);
  ASSERT_TRUE(file && file->add(10, page_of(10, false)) && file->finish());
  const auto core = Core::open(path());
  ASSERT_TRUE(core) << core.error().message();
  ASSERT_TRUE(core->vmcoreinfo());
  EXPECT_EQ(core->vmcoreinfo()->value("OSRELEASE"), "6.1.0-test");
  EXPECT_FALSE(core->vmcoreinfo_searched());
}

TEST_F(KdumpFileTest, PageOutOfOrderOrOverTheLimitIsRefused) {
  auto file = KdumpFile::create(path(), head_, ram_, 2);
  ASSERT_TRUE(file && file->add(11, page_of(11, false)));
  EXPECT_FALSE(file->add(11, page_of(11, false)));
  EXPECT_FALSE(file->add(10, page_of(10, false)));
  EXPECT_FALSE(file->add_zeros(100)) << "there is no such page";
  EXPECT_TRUE(file->add_zeros(12));
  EXPECT_FALSE(file->add_zeros(13)) << "two were announced";
}

TEST_F(KdumpFileTest, WhatIsNotFinishedLeavesNothing) {
  {
    auto file = KdumpFile::create(path(), head_, ram_, 80);
    ASSERT_TRUE(file && file->add(10, page_of(10, false)));
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(KdumpFileTest, FolderThatIsNotThereIsAnError) {
  const auto file = KdumpFile::create(folder_.path() / "none" / "vmcore", head_, ram_, 1);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().blame, Blame::kRig);
  EXPECT_THAT(file.error().what, HasSubstr("cannot create"));
}

}  // namespace
}  // namespace rig::kdump
