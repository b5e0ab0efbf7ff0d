// SPDX-License-Identifier: Apache-2.0
// The parts of a split dump (makedumpfile --split), and cores whose memory is no file.
#include <gmock/gmock.h>

#include "analyzer/core/core.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_core.h"

namespace rig::analyzer {
namespace {

using fakes::CoreFormat;
using fakes::SyntheticCore;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr std::uint64_t kPages = 40;

// 40 pages, A to h, of which one was left out; in three parts of 16, 16 and 8 pages.
class SplitDump : public testing::TestWithParam<bool> {
 protected:
  static SyntheticCore whole() {
    SyntheticCore synthetic;
    for (std::uint64_t page = 0; page < kPages; ++page) {
      if (page == 20) continue;
      synthetic.page(PhysAddr{page * 0x1000}, as_bytes(std::string(4096, char('A' + page))));
    }
    return synthetic.excluded(PhysAddr{20 * 0x1000})
        .prstatus_of_pid(1)
        .vmcoreinfo("OSRELEASE=6.1\n");
  }
  fs::path write(std::string_view name, const SyntheticCore& synthetic) {
    const fs::path path = folder_->path() / name;
    EXPECT_TRUE(synthetic.write(path, CoreFormat::kKdumpZlib, GetParam()));
    return path;
  }
  fs::path part(unsigned number, SyntheticCore synthetic = whole()) {
    const std::uint64_t begin = (number - 1) * 0x10000;
    synthetic.part(PhysAddr{begin}, PhysAddr{std::min(begin + 0x10000, kPages * 0x1000)});
    return write("vmcore" + std::to_string(number), synthetic);
  }
  static Result<Core> open(std::vector<fs::path> paths) { return Core::open(paths); }
  static Error error_of(std::vector<fs::path> paths) {
    const auto opened = open(std::move(paths));
    EXPECT_FALSE(opened);
    return opened ? Error{} : opened.error();
  }

  Result<TempDir> folder_ = TempDir::create("split-dump");
};
INSTANTIATE_TEST_SUITE_P(All, SplitDump, testing::Bool(), [](const auto& flattened) {
  return flattened.param ? "Flattened" : "Plain";
});

TEST_P(SplitDump, AllPartsInAnyOrderAreTheWholeDump) {
  const auto core = open({part(3), part(1), part(2)});
  ASSERT_TRUE(core) << core.error().message();
  for (std::uint64_t page = 0; page < kPages; ++page) {
    const auto value = core->memory().load<char>(PhysAddr{page * 0x1000 + 5});
    if (page == 20) {
      ASSERT_FALSE(value);
      EXPECT_EQ(value.error().why, Absence::kExcluded);
    } else {
      EXPECT_EQ(value, char('A' + page));
    }
  }
  std::string across(0x2000, '?');
  ASSERT_TRUE(core->memory().read(PhysAddr{0xf000}, std::as_writable_bytes(std::span(across))));
  EXPECT_EQ(across, std::string(4096, 'P') + std::string(4096, 'Q'));
  EXPECT_THAT(core->format(), HasSubstr("3 parts"));
  EXPECT_THAT(core->cpus(), SizeIs(1));
  EXPECT_EQ(core->vmcoreinfo()->value("OSRELEASE"), "6.1");
  EXPECT_THAT(core->remarks(), ElementsAre(HasSubstr("1 of 40 pages were left out")));
  EXPECT_EQ(core->memory().ranges().size(), 1u);
}

TEST_P(SplitDump, WithoutAPartItsMemoryIsMissingAndNotAbsentFromTheGuest) {
  const auto core = open({part(3), part(1)});
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_THAT(core->remarks(), Contains("part 2 of the split dump is missing: it has the memory "
                                        "from 0x10000 to 0x20000"));
  std::string across(0x2000, '?');
  const auto got = core->memory().read(PhysAddr{0xf000}, std::as_writable_bytes(std::span(across)));
  EXPECT_EQ(got.error(), (ReadFault{Absence::kMissingPart, 0x10000}));
  EXPECT_THAT(describe(got.error()), HasSubstr("part of the split dump that is missing"));
  EXPECT_EQ(core->memory().load<char>(PhysAddr{20 * 0x1000}).error().why, Absence::kExcluded);
  EXPECT_EQ(core->memory().load<char>(PhysAddr{kPages * 0x1000}).error().why, Absence::kNotPresent);
  EXPECT_EQ(core->memory().load<char>(PhysAddr{0x27000}), 'h');
}

TEST_P(SplitDump, OnePartAloneSaysWhichAreMissing) {
  const auto core = Core::open(part(2));
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_THAT(core->remarks(), AllOf(Contains(HasSubstr("part 1 of the split dump is missing")),
                                     Contains(HasSubstr("part 3 of the split dump is missing"))));
  EXPECT_EQ(core->memory().load<char>(PhysAddr{0x10000}), 'Q');
  EXPECT_EQ(core->memory().load<char>(PhysAddr{0}).error().why, Absence::kMissingPart);
}

TEST_P(SplitDump, APartGivenTwiceIsRefusedByName) {
  const fs::path copy = folder_->path() / "copy";
  fs::copy_file(part(1), copy);
  const Error error = error_of({part(1), part(2), copy});
  EXPECT_EQ(error.blame, Blame::kInput);
  EXPECT_THAT(error.what, AllOf(HasSubstr("vmcore1"), HasSubstr("copy"), HasSubstr("same part")));
}

TEST_P(SplitDump, PartsThatOverlapAreRefused) {
  const fs::path odd = write("odd", whole().part(PhysAddr{0x8000}, PhysAddr{0x18000}));
  EXPECT_THAT(error_of({part(1), odd}).what, HasSubstr("both claim the memory from 0x8000"));
}

TEST_P(SplitDump, PartsOfDifferentDumpsAreRefused) {
  SyntheticCore other = whole();
  other.vmcoreinfo("OSRELEASE=6.2\n");
  EXPECT_THAT(error_of({part(1), part(2, other)}).what, HasSubstr("parts of different dumps"));
  SyntheticCore fewer = whole();
  fewer.excluded(PhysAddr{0x100000});
  EXPECT_THAT(error_of({part(1), part(2, fewer)}).what, HasSubstr("parts of different dumps"));
}

TEST_P(SplitDump, AWholeDumpAmongPartsIsRefused) {
  const fs::path all = write("all", whole());
  const fs::path elf = folder_->path() / "elf";
  ASSERT_TRUE(whole().write(elf, CoreFormat::kElf));
  EXPECT_THAT(error_of({part(1), all}).what, HasSubstr("all is not a part"));
  EXPECT_THAT(error_of({elf, part(1)}).what, HasSubstr("elf is not a part"));
  EXPECT_FALSE(open({}));
}

class MemoryThatIsNoFile : public testing::Test {
 protected:
  Core notes_from(const SyntheticCore& synthetic) {
    const fs::path path = folder_->path() / "notes";
    EXPECT_TRUE(synthetic.write(path, CoreFormat::kElf));
    return Core::open(path).value();
  }
  Result<TempDir> folder_ = TempDir::create("from-memory");
  std::shared_ptr<fake::FakePhysMemory> memory_ = std::make_shared<fake::FakePhysMemory>();
};

TEST_F(MemoryThatIsNoFile, GivesTheBytesAndTheOtherCoreTheRest) {
  SyntheticCore synthetic;
  synthetic.arch(Arch::kArm64).page(PhysAddr{0}, as_bytes("from the file"));
  const Core notes = notes_from(synthetic.prstatus_of_pid(1).vmcoreinfo("OSRELEASE=6.1\n"));
  memory_->put(0x4000, std::uint64_t{42});
  const Core core = Core::from_memory(notes, memory_, "qemu:/x.sock", "a live guest");
  EXPECT_EQ(core.arch(), Arch::kArm64);
  EXPECT_EQ(core.name(), "qemu:/x.sock");
  EXPECT_EQ(core.format(), "a live guest");
  EXPECT_THAT(core.cpus(), SizeIs(1));
  EXPECT_EQ(core.vmcoreinfo()->value("OSRELEASE"), "6.1");
  EXPECT_FALSE(core.vmcoreinfo_searched());
  EXPECT_EQ(core.memory().load<std::uint64_t>(PhysAddr{0x4000}), 42u);
  EXPECT_FALSE(core.memory().load<char>(PhysAddr{0}));
  EXPECT_THAT(core.remarks(), IsEmpty());
}

TEST_F(MemoryThatIsNoFile, IsSearchedForVmcoreinfoWhenThereIsNoNote) {
  SyntheticCore synthetic;
  const Core notes = notes_from(synthetic.page(PhysAddr{0}, as_bytes("x")).prstatus_of_pid(1));
  std::string text = "OSRELEASE=6.1\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffffffff82a12345\n";
  text.resize(256, '\n');
  memory_->put(0x7000, std::uint32_t{11});
  memory_->put(0x7004, static_cast<std::uint32_t>(text.size()));
  memory_->put(0x7008, std::uint32_t{0});
  memory_->pages.write(0x700c, as_bytes(std::string_view("VMCOREINFO\0\0", 12)));
  memory_->pages.write(0x7018, as_bytes(text));
  const Core core = Core::from_memory(notes, memory_, "x", "x");
  ASSERT_TRUE(core.vmcoreinfo());
  EXPECT_TRUE(core.vmcoreinfo_searched());
  EXPECT_EQ(core.vmcoreinfo()->value("OSRELEASE"), "6.1");
}

}  // namespace
}  // namespace rig::analyzer
