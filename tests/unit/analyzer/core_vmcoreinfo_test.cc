// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analyzer/core/core.h"
#include "analyzer/core/vmcoreinfo.h"
#include "fakes/synthetic_core.h"

namespace rig::analyzer {
namespace {

using fakes::CoreFormat;
using fakes::SyntheticCore;
using testing::Contains;
using testing::HasSubstr;

TEST(Vmcoreinfo, ValuesOfEveryKindAreRead) {
  const Vmcoreinfo info(
      "OSRELEASE=6.1.0-56-amd64\n"
      "BUILD-ID=8f0e\n"
      "PAGESIZE=4096\n"
      "SYMBOL(_stext)=ffffffff81000000\n"
      "SIZE(page)=64\n"
      "OFFSET(list_head.next)=0\n"
      "LENGTH(zone.free_area)=11\n"
      "NUMBER(phys_base)=-16777216\n"
      "NUMBER(kimage_voffset)=0xffffbfffc8000000\n"
      "KERNELOFFSET=1c000000\n");
  EXPECT_EQ(info.value("OSRELEASE"), "6.1.0-56-amd64");
  EXPECT_EQ(info.value("KERNELOFFSET"), "1c000000");
  EXPECT_EQ(info.symbol("_stext"), VirtAddr{0xffffffff81000000});
  EXPECT_EQ(info.size("page"), 64u);
  EXPECT_EQ(info.offset("list_head.next"), 0u);
  EXPECT_EQ(info.length("zone.free_area"), 11u);
  EXPECT_EQ(info.number("phys_base"), -16777216);
  EXPECT_EQ(static_cast<std::uint64_t>(*info.number("kimage_voffset")), 0xffffbfffc8000000u);
}

TEST(Vmcoreinfo, AbsentAndMalformedValuesAreNothing) {
  const Vmcoreinfo info(
      "SYMBOL(a)=xyz\nSYMBOL(b)=\nSIZE(c)=12 bytes\nNUMBER(d)=0x\nno equals\n=x\n");
  EXPECT_FALSE(info.symbol("a"));
  EXPECT_FALSE(info.symbol("b"));
  EXPECT_FALSE(info.symbol("never"));
  EXPECT_FALSE(info.size("c"));
  EXPECT_FALSE(info.number("d"));
  EXPECT_FALSE(info.value("no equals"));
  EXPECT_FALSE(info.value(""));
}

TEST(Vmcoreinfo, PaddingAfterTheTextIsLeftOut) {
  const Vmcoreinfo info(std::string_view("OSRELEASE=6.1\nPAGESIZE=4096\0\0\0junk=1", 37));
  EXPECT_EQ(info.text(), "OSRELEASE=6.1\nPAGESIZE=4096");
  EXPECT_EQ(info.value("PAGESIZE"), "4096");
  EXPECT_FALSE(info.value("junk"));
}

// What the kernel keeps in memory: the note as it would go into /proc/vmcore.
std::string note_in_memory(std::string_view text) {
  std::string note;
  for (const std::uint32_t field : {11u, static_cast<std::uint32_t>(text.size()), 0u}) {
    note += as_text(std::as_bytes(std::span(&field, 1)));
  }
  return note.append("VMCOREINFO\0\0", 12).append(text);
}

std::string text_for(std::string_view release, std::string_view uts_address,
                     std::string_view base) {
  return fmt::format(
      "OSRELEASE={}\nPAGESIZE=4096\nSYMBOL(init_uts_ns)={}\nOFFSET(uts_namespace.name)=0\n"
      "NUMBER({})={}\nSYMBOL(swapper_pg_dir)=ffffffff82a10000\nSIZE(list_head)=16\n",
      release, uts_address, base.starts_with("0x") ? "kimage_voffset" : "phys_base", base);
}

class VmcoreinfoSearch : public testing::TestWithParam<CoreFormat> {
 protected:
  Result<Core> open(const SyntheticCore& synthetic) {
    const fs::path path = folder_->path() / "vmcore";
    EXPECT_TRUE(synthetic.write(path, GetParam()));
    return Core::open(path);
  }
  Result<TempDir> folder_ = TempDir::create("vmcoreinfo");
};

constexpr PhysAddr kUtsName{0x5000};

TEST_P(VmcoreinfoSearch, NoteThatCannotBeConfirmedIsTakenWithARemark) {
  SyntheticCore synthetic;
  synthetic.prstatus_of_pid(1)
      .memory(PhysAddr{0x9000}, note_in_memory(text_for("6.1.7", "ffffffff81004000", "4096")))
      .memory(kUtsName + 130, "6.1.7");
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  ASSERT_TRUE(core->vmcoreinfo());
  EXPECT_EQ(core->vmcoreinfo()->value("OSRELEASE"), "6.1.7");
  EXPECT_TRUE(core->vmcoreinfo_searched());
  EXPECT_THAT(core->remarks(), Contains(HasSubstr("could not be confirmed")))
      << "0xffffffff81004000 is not at 0x5000: 16 MB too high";
}

TEST_P(VmcoreinfoSearch, ProvenNoteBeatsAnotherKernelsNoteThatComesFirst) {
  SyntheticCore synthetic;
  synthetic.prstatus_of_pid(1)
      .memory(PhysAddr{0x1000}, note_in_memory(text_for("5.10.0", "ffffffff80004000", "4096")))
      .memory(PhysAddr{0x9000}, note_in_memory(text_for("6.1.7", "ffffffff80004000", "4096")))
      .memory(kUtsName + 130, "6.1.7");
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  ASSERT_TRUE(core->vmcoreinfo());
  EXPECT_EQ(core->vmcoreinfo()->value("OSRELEASE"), "6.1.7");
  EXPECT_THAT(core->remarks(), testing::IsEmpty());
}

TEST_P(VmcoreinfoSearch, NegativePhysBaseIsUnderstood) {
  SyntheticCore synthetic;
  synthetic.prstatus_of_pid(1)
      .memory(PhysAddr{0x9000}, note_in_memory(text_for("6.1.7", "ffffffff81005000", "-16777216")))
      .memory(kUtsName + 130, "6.1.7");
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_TRUE(core->vmcoreinfo());
  EXPECT_THAT(core->remarks(), testing::IsEmpty());
}

TEST_P(VmcoreinfoSearch, Arm64NoteIsProvenThroughKimageVoffset) {
  SyntheticCore synthetic;
  synthetic.arch(Arch::kArm64)
      .prstatus_of_pid(1)
      .memory(PhysAddr{0x9000},
              note_in_memory(text_for("6.1.7", "ffff800008005000", "0xffff800008000000")))
      .memory(kUtsName + 130, "6.1.7");
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_TRUE(core->vmcoreinfo());
  EXPECT_THAT(core->remarks(), testing::IsEmpty());
}

TEST_P(VmcoreinfoSearch, NoteWithinTheKernelsDataIsFoundByteByByte) {
  SyntheticCore synthetic;
  synthetic.prstatus_of_pid(1).memory(PhysAddr{0x1000}, std::string(0x9000, 'f'));
  synthetic.memory(PhysAddr{0x6fe4}, note_in_memory(text_for("4.9.0", "ffffffff80001000", "4096")));
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  ASSERT_TRUE(core->vmcoreinfo());
  EXPECT_EQ(core->vmcoreinfo()->value("OSRELEASE"), "4.9.0");
}

TEST_P(VmcoreinfoSearch, TextWithoutSymbolsOrWithAnImpossibleSizeIsNotTaken) {
  std::string huge = note_in_memory(text_for("6.1.7", "ffffffff80004000", "4096"));
  huge[6] = '\x7f';  // the descriptor's size: 8 MB
  SyntheticCore synthetic;
  synthetic.memory(PhysAddr{0x1000}, huge)
      .memory(PhysAddr{0x3000},
              note_in_memory("OSRELEASE=6.1.7\nPAGESIZE=4096\n" + std::string(200, '#')));
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_FALSE(core->vmcoreinfo());
}

TEST_P(VmcoreinfoSearch, WhatIsUsedIsTheNoteWhenTheSearchFindsNothingBetter) {
  SyntheticCore synthetic;
  synthetic.vmcoreinfo("PAGESIZE=4096\n").memory(PhysAddr{0x1000}, "x");
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  ASSERT_TRUE(core->vmcoreinfo());
  EXPECT_EQ(core->vmcoreinfo()->value("PAGESIZE"), "4096");
  EXPECT_FALSE(core->vmcoreinfo_searched());
}

TEST_P(VmcoreinfoSearch, PageLeftOutBeforeTheNoteDoesNotEndTheSearch) {
  SyntheticCore synthetic;
  synthetic.memory(PhysAddr{0x1000}, "x").excluded(PhysAddr{0x2000});
  synthetic.memory(PhysAddr{0x4000}, note_in_memory(text_for("6.1.7", "ffffffff8000", "4096")));
  const auto core = open(synthetic);
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_TRUE(core->vmcoreinfo());
}

INSTANTIATE_TEST_SUITE_P(All, VmcoreinfoSearch, testing::ValuesIn(fakes::kAllCoreFormats),
                         [](const auto& format) { return std::string(to_string(format.param)); });

}  // namespace
}  // namespace rig::analyzer
