// SPDX-License-Identifier: Apache-2.0
// What is particular to ELF cores and to flattened files; what is refused, and how.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analyzer/core/core.h"
#include "analyzer/core/extents.h"
#include "fakes/synthetic_core.h"

namespace rig::analyzer {
namespace {

using fakes::CoreFormat;
using fakes::SyntheticCore;
using testing::Contains;
using testing::HasSubstr;

class ElfCore : public testing::Test {
 protected:
  Result<Core> open_bytes(std::string_view bytes) {
    const fs::path path = folder_->path() / "vmcore";
    EXPECT_TRUE(fakes::write_bytes(path, bytes));
    return Core::open(path);
  }
  Result<TempDir> folder_ = TempDir::create("elf");
};

template <typename T>
void append(std::string& out, const T& value) {
  out += as_text(std::as_bytes(std::span(&value, 1)));
}

Elf64_Ehdr core_header(std::uint16_t segments) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_CORE;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = segments;
  return header;
}

Elf64_Phdr load_segment(std::uint64_t address, std::uint64_t offset, std::uint64_t in_file,
                        std::uint64_t in_memory) {
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_paddr = address;
  segment.p_offset = offset;
  segment.p_filesz = in_file;
  segment.p_memsz = in_memory;
  return segment;
}

std::string elf(const Elf64_Ehdr& header, std::initializer_list<Elf64_Phdr> segments,
                std::string_view data) {
  std::string bytes;
  append(bytes, header);
  for (const Elf64_Phdr& segment : segments) append(bytes, segment);
  bytes.resize(0x200);
  return bytes.append(data);
}

TEST_F(ElfCore, OverlappingSegmentsAreReadFromTheOneListedFirst) {
  const auto core =
      open_bytes(elf(core_header(3),
                     {load_segment(0x1008, 0x200, 8, 8), load_segment(0x1000, 0x208, 32, 32),
                      load_segment(0x1010, 0x228, 8, 8)},
                     "firstXXXaaaaaaaabbbbbbbbccccccccddddddddlast8888"));
  ASSERT_TRUE(core) << core.error().message();
  std::string text(32, '?');
  ASSERT_TRUE(core->memory().read(PhysAddr{0x1000}, std::as_writable_bytes(std::span(text))));
  EXPECT_EQ(text, "aaaaaaaafirstXXXccccccccdddddddd");
  EXPECT_EQ(core->memory().ranges().size(), 1u);
}

TEST_F(ElfCore, MemoryBeyondTheFilePartOfASegmentIsNotPresent) {
  const auto core =
      open_bytes(elf(core_header(1), {load_segment(0x1000, 0x200, 8, 0x2000)}, "12345678"));
  ASSERT_TRUE(core) << core.error().message();
  const auto value = core->memory().load<std::uint64_t>(PhysAddr{0x1004});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error(), (ReadFault{Absence::kNotPresent, 0x1008}));
  EXPECT_EQ(core->memory().ranges().at(0).size, 0x2000u);
}

TEST_F(ElfCore, CutSegmentNamesTheFirstLostAddress) {
  const auto core =
      open_bytes(elf(core_header(1), {load_segment(0x1000, 0x200, 0x100, 0x100)}, "12345678"));
  ASSERT_TRUE(core) << core.error().message();
  const auto value = core->memory().load<std::uint64_t>(PhysAddr{0x1004});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error(), (ReadFault{Absence::kDamaged, 0x1008}));
  EXPECT_THAT(core->remarks(), Contains(HasSubstr("cut short: 248 B")));
}

TEST_F(ElfCore, MoreSegmentsThanTheHeaderCanCountAreFoundThroughTheSectionHeader) {
  constexpr std::uint32_t kCount = 70000;
  Elf64_Ehdr header = core_header(PN_XNUM);
  header.e_shoff = sizeof header + kCount * sizeof(Elf64_Phdr);
  std::string bytes;
  append(bytes, header);
  const std::uint64_t data = header.e_shoff + sizeof(Elf64_Shdr);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    append(bytes, load_segment(std::uint64_t{i} * 0x2000, data, 4, 0x1000));
  }
  Elf64_Shdr section{};
  section.sh_info = kCount;
  append(bytes, section);
  bytes += "data";
  const auto core = open_bytes(bytes);
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_EQ(core->memory().load<char>(PhysAddr{(kCount - 1) * 0x2000ull}), 'd');
  EXPECT_EQ(core->memory().ranges().size(), kCount);
}

TEST_F(ElfCore, SegmentWithoutAPhysicalAddressIsLeftOut) {
  const auto core = open_bytes(
      elf(core_header(2), {load_segment(~0ull, 0x200, 8, 8), load_segment(0x1000, 0x200, 8, 8)},
          "12345678"));
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_EQ(core->memory().ranges().size(), 1u);
}

TEST_F(ElfCore, ImpossibleSegmentsAreLeftOutWithARemark) {
  const auto core = open_bytes(
      elf(core_header(3),
          {load_segment(0x1000, 0x200, 8, 8), load_segment(~0xfffull, 0x200, 0x2000, 0x2000),
           load_segment(0x3000, ~0ull, 8, 8)},
          "12345678"));
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_EQ(core->memory().ranges().size(), 1u);
  EXPECT_THAT(core->remarks(), Contains(HasSubstr("2 segments have impossible addresses")));
}

// An arm64 core whose offsets are `wrong` bytes too small, as QEMU 7.2 writes them where the second
// CPU has longer vectors than the first.
std::string shifted(std::uint64_t wrong, std::string_view behind) {
  SyntheticCore core;
  std::string bytes = core.arch(Arch::kArm64)
                          .page(PhysAddr{0x4000'0000}, as_bytes("first"))
                          .page(PhysAddr{0x5000'0000}, as_bytes("second"))
                          .prstatus_of_pid(1)
                          .prstatus_of_pid(2)
                          .vmcoreinfo("OSRELEASE=6.1.0-test\nPAGESIZE=4096\n")
                          .bytes(CoreFormat::kElf);
  for (unsigned i = 0; i < 3; ++i) {
    const auto at = sizeof(Elf64_Ehdr) + i * sizeof(Elf64_Phdr);
    auto segment = *load<Elf64_Phdr>(as_bytes(bytes), at);
    (segment.p_type == PT_NOTE ? segment.p_filesz : segment.p_offset) -= wrong;
    std::memcpy(bytes.data() + at, &segment, sizeof segment);
  }
  return bytes.append(behind);
}

TEST_F(ElfCore, MemoryThatLiesFurtherOnThanTheHeadersSayIsFoundBehindTheNotes) {
  const auto core = open_bytes(shifted(424, std::string_view("\0.shstrtab", 11)));
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_EQ(core->cpus().size(), 2u);
  EXPECT_TRUE(core->vmcoreinfo() && !core->vmcoreinfo_searched());
  EXPECT_EQ(core->memory().load<char>(PhysAddr{0x4000'0000}), 'f');
  EXPECT_EQ(core->memory().load<char>(PhysAddr{0x5000'0000}), 's');
  EXPECT_THAT(core->remarks(), Contains(HasSubstr("424 bytes further on")));
}

TEST_F(ElfCore, OffsetsThatAreRightStayAsTheyAre) {
  for (const std::string behind : {"", "some names",
                                   "0123456789abcdefghijklmnopqrstuvwxyz0123456"
                                   "789abcdefghijklmnopqrstuvwxyz"}) {
    const auto core = open_bytes(shifted(0, behind));
    ASSERT_TRUE(core) << core.error().message();
    EXPECT_EQ(core->memory().load<char>(PhysAddr{0x5000'0000}), 's');
    EXPECT_THAT(core->remarks(), testing::Not(Contains(HasSubstr("further on"))));
  }
}

TEST_F(ElfCore, TwoNoteSegmentsAreReadAsOne) {
  SyntheticCore one;
  const std::string whole = one.page(PhysAddr{0}, as_bytes("x"))
                                .prstatus_of_pid(1)
                                .prstatus_of_pid(2)
                                .bytes(CoreFormat::kElf);
  auto note = load<Elf64_Phdr>(as_bytes(whole), sizeof(Elf64_Ehdr));
  ASSERT_TRUE(note);
  Elf64_Phdr first = *note;
  Elf64_Phdr second = *note;
  first.p_filesz /= 2;
  second.p_filesz /= 2;
  second.p_offset += first.p_filesz;
  Elf64_Ehdr header = core_header(3);
  header.e_phoff = whole.size();
  std::string bytes = whole;
  std::memcpy(bytes.data(), &header, sizeof header);
  append(bytes, first);
  append(bytes, second);
  append(bytes, load_segment(0, 0, 64, 64));
  const auto core = open_bytes(bytes);
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_EQ(core->cpus().size(), 2u);
}

TEST_F(ElfCore, HugeSegmentCountsAreErrorsNotAllocations) {
  Elf64_Ehdr header = core_header(PN_XNUM);
  header.e_shoff = 0x200;
  Elf64_Shdr section{};
  section.sh_info = 0xffffffff;
  std::string bytes = elf(header, {}, "");
  append(bytes, section);
  const auto core = open_bytes(bytes);
  ASSERT_FALSE(core);
  EXPECT_EQ(core.error().blame, Blame::kInput);
  EXPECT_THAT(core.error().what, HasSubstr("cut short"));
}

TEST_F(ElfCore, WhatIsNotACoreIsNamed) {
  Elf64_Ehdr program = core_header(1);
  program.e_type = ET_EXEC;
  Elf64_Ehdr riscv = core_header(1);
  riscv.e_machine = EM_RISCV;
  Elf64_Ehdr narrow = core_header(1);
  narrow.e_ident[EI_CLASS] = ELFCLASS32;
  const std::pair<std::string, std::string_view> cases[] = {
      {elf(program, {}, ""), "program, not a core"},
      {elf(riscv, {}, ""), "riscv"},
      {elf(narrow, {}, ""), "32-bit"},
      {elf(core_header(0), {}, ""), "without memory"},
      {"\x1f\x8b\x08rest", "gzip"},
      {"LibvirtQemudSave\2", "saved guest"},
      {"hello, I am no core at all", "not a core"},
      {"", "empty"},
      {std::string("\177ELF"), "cut short"},
      {"KDUMP   ", "cut short"},
      {std::string("makedumpfile\0\0\0\0", 16), "flattened"},
      {fakes::flattened_header(), "cut short"},
  };
  for (const auto& [bytes, expected] : cases) {
    const auto core = open_bytes(bytes);
    ASSERT_FALSE(core) << expected;
    EXPECT_EQ(core.error().blame, Blame::kInput) << expected;
    EXPECT_THAT(core.error().what, HasSubstr(expected));
    EXPECT_THAT(core.error().what, HasSubstr("vmcore"));  // the file's name
  }
}

TEST_F(ElfCore, MissingFileIsTheUsersFault) {
  const auto core = Core::open(folder_->path() / "nothing");
  ASSERT_FALSE(core);
  EXPECT_EQ(core.error().blame, Blame::kInput);
  EXPECT_THAT(core.error().what, HasSubstr("No such file"));
}

using Flattened = ElfCore;

TEST_F(Flattened, LaterRecordsWinWhereTheyOverlap) {
  const std::string core =
      elf(core_header(1), {load_segment(0, 0x200, 16, 16)}, "0123456789abcdef");
  const auto opened = open_bytes(fakes::flattened_header() + fakes::flattened_record(0, core) +
                                 fakes::flattened_record(0x204, "XXXX") +
                                 fakes::flattened_record(0x206, "YYYY") + fakes::flattened_end());
  ASSERT_TRUE(opened) << opened.error().message();
  std::string text(16, '?');
  ASSERT_TRUE(opened->memory().read(PhysAddr{0}, std::as_writable_bytes(std::span(text))));
  EXPECT_EQ(text, "0123XXYYYYabcdef");
}

TEST_F(Flattened, RecordsInAnyOrderAndSizeAreFound) {
  const std::string core =
      elf(core_header(1), {load_segment(0, 0x200, 16, 16)}, "0123456789abcdef");
  std::string file = fakes::flattened_header();
  for (std::size_t i = core.size(); i-- > 0;) {
    file += fakes::flattened_record(i, core.substr(i, 1));
  }
  const auto opened = open_bytes(file + fakes::flattened_end());
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->memory().load<std::uint64_t>(PhysAddr{8}), 0x6665646362613938u);
}

TEST_F(Flattened, WhatNoRecordWroteIsZeroInACompleteFileAndDamagedInACutOne) {
  const std::string core =
      elf(core_header(1), {load_segment(0, 0x200, 16, 16)}, "0123456789abcdef");
  const std::string start = fakes::flattened_header() +
                            fakes::flattened_record(0, core.substr(0, 0x204)) +
                            fakes::flattened_record(0x20c, core.substr(0x20c));
  const auto whole = open_bytes(start + fakes::flattened_end());
  ASSERT_TRUE(whole) << whole.error().message();
  EXPECT_EQ(whole->memory().load<std::uint64_t>(PhysAddr{0}), 0x33323130u);

  const auto cut = open_bytes(start);
  ASSERT_TRUE(cut) << cut.error().message();
  const auto value = cut->memory().load<std::uint64_t>(PhysAddr{0});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error(), (ReadFault{Absence::kDamaged, 4}));
  EXPECT_THAT(cut->remarks(), Contains(HasSubstr("end record is missing")));
}

TEST_F(Flattened, DamagedRecordEndsTheFileThere) {
  const std::string core =
      elf(core_header(1), {load_segment(0, 0x200, 16, 16)}, "0123456789abcdef");
  const auto opened = open_bytes(fakes::flattened_header() + fakes::flattened_record(0, core) +
                                 fakes::flattened_record(std::uint64_t{1} << 60, "far away") +
                                 fakes::flattened_end());
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(opened->memory().load<std::uint64_t>(PhysAddr{8}));
  EXPECT_THAT(opened->remarks(), Contains(HasSubstr("damaged at")));
}

TEST(ExtentMap, FirstExtentWinsEverywhereItOverlapsOthers) {
  // Compared with a map byte by byte.
  std::uint32_t state = 12345;
  const auto next = [&state](std::uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<Extent> extents;
    std::vector<std::uint64_t> expected(256, 0);
    const std::uint32_t count = 1 + next(20);
    for (std::uint32_t i = 0; i < count; ++i) {
      const Extent extent{next(200), next(56), 1000 * (i + 1)};
      extents.push_back(extent);
      for (std::uint64_t at = extent.begin; at < extent.end(); ++at) {
        if (expected[at] == 0) expected[at] = extent.source + (at - extent.begin);
      }
    }
    const ExtentMap map(extents);
    for (std::uint64_t at = 0; at < expected.size(); ++at) {
      const Extent* extent = map.at_or_above(at);
      const bool inside = extent != nullptr && extent->begin <= at;
      EXPECT_EQ(inside ? extent->source + (at - extent->begin) : 0, expected[at]) << round;
    }
  }
}

}  // namespace
}  // namespace rig::analyzer
