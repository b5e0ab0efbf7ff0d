// SPDX-License-Identifier: Apache-2.0
// From an ELF core that is read by ranges to the file that the analyzer opens.
#include "kdump/save_vmcore.h"

#include <elf.h>
#include <gmock/gmock.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "analyzer/core/core.h"
#include "analyzer/core/kdump.h"
#include "base/file.h"
#include "fakes/mapped_core.h"
#include "kdump/vmcore_layout.h"
#include "unit/kdump/fake_vmcore.h"

namespace rig::kdump {
namespace {

using analyzer::Absence;
using analyzer::Core;
using analyzer::fake::FakeVirtMemory;
using analyzer::fake::MappedCore;
using fakes::CoreFormat;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kUts = 0xffff'ffff'8200'0000;

class SaveVmcoreTest : public testing::Test {
 protected:
  SaveVmcoreTest() : folder_(std::move(*TempDir::create("save-vmcore-test"))) {
    memory_.put_text(kUts + 4 + 0 * 65, "Linux");
    memory_.put_text(kUts + 4 + 1 * 65, "guest");
    memory_.put_text(kUts + 4 + 2 * 65, "6.1.0-test");
    memory_.put_text(kUts + 4 + 3 * 65, "#1 SMP test");
    memory_.put_text(kUts + 4 + 4 * 65, "x86_64");
  }

  MappedCore mapped() const {
    MappedCore made(memory_,
                    "PAGESIZE=4096\nCRASHTIME=1795350000\n"
                    "SYMBOL(init_uts_ns)=ffffffff82000000\nOFFSET(uts_namespace.name)=4\n");
    made.cpu(0xffff'ffff'8100'0000, 0xffff'8880'0000'1000, 0);
    made.core.page(PhysAddr{0x5000'0000}, std::vector<std::byte>(4096, std::byte{0x77}));
    made.core.page(PhysAddr{0x5000'1000}, std::vector<std::byte>(4096));
    made.core.page(PhysAddr{0x5000'2000}, std::vector<std::byte>(4096, std::byte{0x99}));
    return made;
  }
  Result<SavedCore> save(const std::string& vmcore, std::uint32_t level) {
    return save_vmcore(read_from(vmcore), path(), level, {});
  }
  fs::path path() const { return folder_.path() / "vmcore"; }
  tl::expected<std::uint8_t, Absence> byte_at(const Core& core, std::uint64_t address) const {
    const auto byte = core.memory().load<std::uint8_t>(PhysAddr{address});
    if (!byte) return tl::unexpected(byte.error().why);
    return *byte;
  }

  TempDir folder_;
  FakeVirtMemory memory_;
};

TEST_F(SaveVmcoreTest, EveryPageIsThereAsItWas) {
  const std::string vmcore = mapped().core.bytes(CoreFormat::kElf);
  ASSERT_TRUE(write_file_atomically(folder_.path() / "elf", vmcore));
  const auto saved = save(vmcore, 0);
  ASSERT_TRUE(saved) << saved.error().message();
  EXPECT_EQ(saved->stored, saved->pages);
  const auto elf = Core::open(folder_.path() / "elf");
  const auto core = Core::open(path());
  ASSERT_TRUE(elf && core);
  std::uint64_t pages = 0;
  for (const analyzer::PhysRange& range : elf->memory().ranges()) {
    std::vector<std::byte> wanted(range.size), found(range.size);
    ASSERT_TRUE(elf->memory().read(range.begin, wanted));
    ASSERT_TRUE(core->memory().read(range.begin, found));
    EXPECT_EQ(wanted, found) << fmt::format("{}", range.begin);
    pages += range.size / 4096;
  }
  EXPECT_EQ(pages, saved->pages);
  EXPECT_EQ(core->cpus().size(), 1u);
  EXPECT_EQ(core->cpus()[0].prstatus, elf->cpus()[0].prstatus);
  EXPECT_EQ(core->vmcoreinfo()->text(), elf->vmcoreinfo()->text());
}

TEST_F(SaveVmcoreTest, ZerosAreThereAtEveryLevelForNoReaderToMiss) {
  const auto saved = save(mapped().core.bytes(CoreFormat::kElf), 1);
  ASSERT_TRUE(saved) << saved.error().message();
  EXPECT_EQ(saved->wanted, saved->pages);
  EXPECT_EQ(saved->stored, saved->pages);
  const auto core = Core::open(path());
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_EQ(byte_at(*core, 0x5000'0000), 0x77);
  EXPECT_EQ(byte_at(*core, 0x5000'1000), 0x00) << "they share a page of the file";
  EXPECT_EQ(byte_at(*core, 0x5000'2fff), 0x99);
}

TEST_F(SaveVmcoreTest, HeadersSayWhoseCoreItIs) {
  ASSERT_TRUE(save(mapped().core.bytes(CoreFormat::kElf), 1));
  const auto file = read_file(path());
  ASSERT_TRUE(file);
  const auto header = load<analyzer::KdumpMainHeader>(as_bytes(*file));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->version, 6u);
  EXPECT_EQ(header->seconds, 1795350000u);
  EXPECT_EQ(header->cpus, 1u);
  EXPECT_STREQ(header->nodename, "guest");
  EXPECT_STREQ(header->uts_version, "#1 SMP test");
  EXPECT_STREQ(header->machine, "x86_64");
}

TEST_F(SaveVmcoreTest, LevelThatThisKernelCannotServeIsAnErrorWithANextStep) {
  const auto saved = save(mapped().core.bytes(CoreFormat::kElf), 31);
  ASSERT_FALSE(saved);
  EXPECT_THAT(saved.error().hint, HasSubstr("a dump level of 0 or 1"));
  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(SaveVmcoreTest, ReaderThatFailsIsTheError) {
  const std::string vmcore = mapped().core.bytes(CoreFormat::kElf);
  int left = 0;
  const RangeReader good = read_from(vmcore);
  const RangeReader failing = [&](std::span<const FileRange> ranges, const ExtentSink& sink) {
    if (left-- == 0) return Status(fail(Blame::kRig, "the agent is silent"));
    return good(ranges, sink);
  };
  // However far it comes.
  for (int reads = 0; reads < 6; ++reads) {
    left = reads;
    const auto saved = save_vmcore(failing, path(), 1, {});
    ASSERT_FALSE(saved) << reads;
    EXPECT_EQ(saved.error().what, "the agent is silent") << reads;
    EXPECT_FALSE(fs::exists(path()));
  }
}

TEST_F(SaveVmcoreTest, WhatIsNoCoreIsRefused) {
  EXPECT_FALSE(save(std::string(8192, 'x'), 1));
  EXPECT_FALSE(save("", 1));
  EXPECT_FALSE(save(fakes::SyntheticCore().bytes(CoreFormat::kElf), 1)) << "no VMCOREINFO";
}

// An ELF core with these segments of memory, whose bytes do not matter.
std::string elf_with(const std::vector<Elf64_Phdr>& memory) {
  const std::string info = "PAGESIZE=4096\n";
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_type = ET_CORE;
  header.e_machine = EM_AARCH64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(memory.size() + 1);
  const Elf64_Nhdr note{11, static_cast<Elf64_Word>(info.size()), 0};
  std::string notes(as_text(std::as_bytes(std::span(&note, 1))));
  notes += std::string("VMCOREINFO\0\0", 12) + info;
  Elf64_Phdr first{};
  first.p_type = PT_NOTE;
  first.p_offset = sizeof header + header.e_phnum * sizeof first;
  first.p_filesz = notes.size();
  std::string file(as_text(std::as_bytes(std::span(&header, 1))));
  file += as_text(std::as_bytes(std::span(&first, 1)));
  for (const Elf64_Phdr& segment : memory) {
    file += as_text(std::as_bytes(std::span(&segment, 1)));
  }
  return file + notes;
}

Elf64_Phdr segment(std::uint64_t address, std::uint64_t size, std::uint64_t offset) {
  Elf64_Phdr made{};
  made.p_type = PT_LOAD;
  made.p_paddr = address;
  made.p_filesz = made.p_memsz = size;
  made.p_offset = offset;
  return made;
}

std::vector<std::string> pieces(const std::vector<Elf64_Phdr>& memory) {
  const std::string file = elf_with(memory);
  const auto layout = read_layout(read_from(file));
  EXPECT_TRUE(layout) << layout.error().message();
  std::vector<std::string> all;
  for (const MemoryPiece& piece : layout ? layout->memory : std::vector<MemoryPiece>{}) {
    all.push_back(fmt::format("{}+{:#x} at {:#x}", piece.begin, piece.size, piece.offset));
  }
  return all;
}

// x86_64's kernel image has a segment of its own, before those of the memory that it lies in.
TEST(VmcoreLayout, MemoryThatIsThereTwiceIsTakenOnce) {
  EXPECT_THAT(
      pieces({segment(0x20'0000, 0x3000, 0x1000), segment(0x10'0000, 0x40'0000, 0x10'0000)}),
      ElementsAre("0x100000+0x400000 at 0x100000"));
  EXPECT_THAT(pieces({segment(0x10'0000, 0x3000, 0x1000), segment(0x10'0000, 0x5000, 0x8000)}),
              ElementsAre("0x100000+0x5000 at 0x8000"));
  EXPECT_THAT(pieces({segment(0x10'0000, 0x3000, 0x1000), segment(0x10'2000, 0x3000, 0x8000)}),
              ElementsAre("0x100000+0x3000 at 0x1000", "0x103000+0x2000 at 0x9000"));
}

TEST(VmcoreLayout, OnlyWholePagesCount) {
  EXPECT_THAT(pieces({segment(0x10'0800, 0x2000, 0x1800)}),
              ElementsAre("0x101000+0x1000 at 0x2000"));
  EXPECT_THAT(pieces({segment(0x10'0800, 0x100, 0x1800), segment(0x20'0000, 0x1000, 0x8000),
                      segment(~0ull - 0x1000, 0x2000, 0x9000)}),
              ElementsAre("0x200000+0x1000 at 0x8000"));
}

// Its bitmaps would not fit into the host.
TEST(VmcoreLayout, MemoryThatNoGuestHasIsRefused) {
  const auto layout = read_layout(read_from(elf_with({segment(1ull << 50, 0x1000, 0x1000)})));
  ASSERT_FALSE(layout);
  EXPECT_THAT(layout.error().what, HasSubstr("has memory at"));
}

}  // namespace
}  // namespace rig::kdump
