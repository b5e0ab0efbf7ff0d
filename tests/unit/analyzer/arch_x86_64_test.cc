// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/x86_64_paging.h"

#include <gmock/gmock.h>

#include "analyzer/arch/x86_64_registers.h"
#include "fakes/fake_memory.h"

namespace rig::analyzer {
namespace {

using fake::FakePhysMemory;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::uint64_t kRoot = 0x1000'0000;
constexpr std::uint64_t kPresent = 1;
constexpr std::uint64_t kLarge = 1 << 7;

// Page tables written entry by entry, as the kernel does.
class Tables {
 public:
  explicit Tables(unsigned levels) : levels_(levels) {}

  // Maps the page of `leaf_level` (1: 4 KiB, 2: 2 MiB, 3: 1 GiB) at `address` to `physical`.
  void map(std::uint64_t address, std::uint64_t physical, unsigned leaf_level) {
    std::uint64_t table = kRoot;
    for (unsigned level = levels_; level > leaf_level; --level) {
      const auto slot = table + index(address, level) * 8;
      const auto entry = memory.load<std::uint64_t>(PhysAddr{slot}).value_or(0);
      if ((entry & kPresent) == 0) {
        next_ += 0x1000;
        memory.put(slot, next_ | kPresent | 0x62);
        memory.put(next_, std::uint64_t{0});
      }
      table = memory.load<std::uint64_t>(PhysAddr{slot}).value() & ~0xfffull;
    }
    memory.put(table + index(address, leaf_level) * 8,
               physical | kPresent | (leaf_level > 1 ? kLarge : 0) | 1ull << 63);
  }

  FakePhysMemory memory;

 private:
  static std::uint64_t index(std::uint64_t address, unsigned level) {
    return address >> (12 + (level - 1) * 9) & 511;
  }
  unsigned levels_;
  std::uint64_t next_ = kRoot;
};

class X86Paging : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Levels, X86Paging, testing::Values(4u, 5u));

TEST_P(X86Paging, PagesOfEverySizeAreTranslated) {
  Tables tables(GetParam());
  tables.map(0xffff'8880'1234'5000, 0x7777'7000, 1);
  tables.map(0xffff'ffff'8100'0000, 0x0120'0000, 2);
  tables.map(0xffff'8881'4000'0000, 0x4000'0000, 3);
  const X86PageTable table(tables.memory, PhysAddr{kRoot}, GetParam());
  const auto small = table.walk(VirtAddr{0xffff'8880'1234'5678});
  ASSERT_TRUE(small);
  EXPECT_EQ(small->to, PhysAddr{0x7777'7000});
  EXPECT_EQ(small->size, 4096u);
  EXPECT_EQ(table.walk(VirtAddr{0xffff'ffff'8112'3456})->to, PhysAddr{0x0120'0000});
  EXPECT_EQ(table.walk(VirtAddr{0xffff'ffff'8112'3456})->size, 2u << 20);
  EXPECT_EQ(table.walk(VirtAddr{0xffff'8881'7fff'ffff})->begin, VirtAddr{0xffff'8881'4000'0000});
}

TEST_P(X86Paging, WhatIsNotMappedSaysSo) {
  Tables tables(GetParam());
  tables.map(0xffff'8880'1234'5000, 0x7777'7000, 1);
  const X86PageTable table(tables.memory, PhysAddr{kRoot}, GetParam());
  for (const std::uint64_t address :
       {std::uint64_t{0xffff'8880'1234'6000}, std::uint64_t{0xffff'ffff'ffff'f000},
        std::uint64_t{0x1000}}) {
    const auto found = table.walk(VirtAddr{address});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().why, Absence::kUnmapped);
    EXPECT_EQ(found.error().address, address);
  }
}

TEST_P(X86Paging, APageTableThatIsNotInTheCoreIsToldFromAnAddressThatIsNotMapped) {
  Tables tables(GetParam());
  tables.memory.put(kRoot + 511 * 8, 0x5555'5000 | kPresent);
  const X86PageTable table(tables.memory, PhysAddr{kRoot}, GetParam());
  const auto found = table.walk(VirtAddr{0xffff'ffff'8100'0000});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().why, Absence::kNotPresent);
}

TEST_P(X86Paging, AddressesThatAreNotCanonicalAreNeverTranslated) {
  Tables tables(GetParam());
  const X86PageTable table(tables.memory, PhysAddr{kRoot}, GetParam());
  EXPECT_FALSE(table.walk(VirtAddr{0xffff'0008'8fec'6500 & ~(1ull << 63)}));
  EXPECT_TRUE(X86PageTable::canonical(VirtAddr{0xffff'8880'0000'0000}, GetParam()));
  EXPECT_TRUE(X86PageTable::canonical(VirtAddr{0x7fff'ffff'ffff}, GetParam()));
  EXPECT_FALSE(X86PageTable::canonical(VirtAddr{0xdead'0000'0000'0100}, GetParam()));
  EXPECT_EQ(X86PageTable::canonical(VirtAddr{0xff45'9a84'0000'0000}, GetParam()), GetParam() == 5);
}

TEST_P(X86Paging, TablesThatPointToThemselvesEnd) {
  FakePhysMemory memory;
  for (unsigned i = 0; i < 512; ++i) memory.put(kRoot + i * 8, kRoot | kPresent);
  const X86PageTable table(memory, PhysAddr{kRoot}, GetParam());
  EXPECT_EQ(table.walk(VirtAddr{0xffff'ffff'8100'0000})->to, PhysAddr{kRoot});
}

TEST(AddressSpace, AReadAcrossPagesIsPutTogetherFromWhereTheyLie) {
  Tables tables(4);
  tables.map(0xffff'8880'0000'1000, 0x9000, 1);
  tables.map(0xffff'8880'0000'2000, 0x5000, 1);
  tables.memory.put(0x9ffc, 0x4433'2211u);
  tables.memory.put(0x5000, 0x8877'6655u);
  const AddressSpace space(tables.memory,
                           std::make_unique<X86PageTable>(tables.memory, PhysAddr{kRoot}, 4u));
  EXPECT_EQ(space.load<std::uint64_t>(VirtAddr{0xffff'8880'0000'1ffc}), 0x8877'6655'4433'2211u);
  EXPECT_EQ(space.translate(VirtAddr{0xffff'8880'0000'2008}), PhysAddr{0x5008});
}

TEST(AddressSpace, AFaultNamesTheVirtualAddressThatCouldNotBeRead) {
  Tables tables(4);
  tables.map(0xffff'8880'0000'1000, 0x9000, 1);
  tables.map(0xffff'8880'0000'2000, 0x5000, 1);  // not in the core
  tables.memory.put(0x9000, 1u);
  const AddressSpace space(tables.memory,
                           std::make_unique<X86PageTable>(tables.memory, PhysAddr{kRoot}, 4u));
  std::vector<std::byte> bytes(0x1100);
  const auto got = space.read(VirtAddr{0xffff'8880'0000'1f00}, bytes);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().why, Absence::kNotPresent);
  EXPECT_EQ(got.error().address, 0xffff'8880'0000'2000u);
  EXPECT_THAT(space.read_up_to(VirtAddr{0xffff'8880'0000'1f00}, 0x1100), SizeIs(0x100));
  EXPECT_EQ(space.read_with_holes(VirtAddr{0xffff'8880'0000'1f00}, bytes), 0x1000u);
}

// The kernel's image at 16 MiB, its tables in it, with KASLR and a negative phys_base.
struct KernelImage {
  static constexpr std::uint64_t kImage = 0xffff'ffff'9e00'0000;
  static constexpr std::uint64_t kPhysical = kRoot;
  Tables tables{4};
  std::string info = fmt::format(
      "SYMBOL(swapper_pg_dir)={:x}\nSYMBOL(_stext)={:x}\nNUMBER(phys_base)={}\n"
      "NUMBER(pgtable_l5_enabled)=0\n",
      kImage, kImage + 0x10'0000,
      static_cast<std::int64_t>(kPhysical - (kImage - 0xffff'ffff'8000'0000)));

  KernelImage() { tables.map(kImage, kPhysical, 2); }
};

TEST(X86Kernel, ItsPageTablesAreFoundThroughVmcoreinfoAlone) {
  const KernelImage image;
  const auto space = open_x86_64_kernel(image.tables.memory, Vmcoreinfo(image.info), {});
  ASSERT_TRUE(space) << space.error().message();
  EXPECT_EQ(space->levels, 4u);
  EXPECT_EQ(space->memory->translate(VirtAddr{KernelImage::kImage + 0x1234}),
            PhysAddr{KernelImage::kPhysical + 0x1234});
}

TEST(X86Kernel, TablesThatDoNotMapThemselvesAreRefused) {
  KernelImage image;
  image.tables.map(KernelImage::kImage, 0x4000'0000, 2);
  const auto space = open_x86_64_kernel(image.tables.memory, Vmcoreinfo(image.info), {});
  ASSERT_FALSE(space);
  EXPECT_THAT(space.error().what, HasSubstr("say that they are at"));
}

TEST(X86Kernel, WithoutTheBaseOfPhysicalMemoryThereIsNoGuess) {
  const auto space = open_x86_64_kernel(
      FakePhysMemory(), Vmcoreinfo("SYMBOL(swapper_pg_dir)=ffffffff82a10000\n"), {});
  ASSERT_FALSE(space);
  EXPECT_THAT(space.error().what, HasSubstr("phys_base"));
}

// A vCPU's CR3 of which bit 12 is set, and what the roots with and without that bit map.
class X86Cr3 : public testing::Test {
 protected:
  static constexpr std::uint64_t kWithout = 0x0700'0000;
  static constexpr std::uint64_t kWith = kWithout + 0x1000;
  static constexpr std::uint64_t kOther = 0x0701'0000;

  void maps_the_kernel(std::uint64_t root) {
    const auto entry = image_.tables.memory.load<std::uint64_t>(PhysAddr{kRoot + 511 * 8});
    image_.tables.memory.put(root + 511 * 8, *entry);
  }
  void maps_something_else(std::uint64_t root) {
    image_.tables.memory.put(root + 511 * 8, kOther | kPresent);
    image_.tables.memory.put(kOther + 510 * 8, 0x4000'0000 | 1ull << 7 | kPresent);
  }
  std::vector<std::string> remarks() {
    CpuNote note;
    note.prstatus.resize(336);
    note.qemu.resize(440);
    const std::uint64_t cr3 = kWith, cs = 0x10;
    std::memcpy(note.prstatus.data() + 112 + 136, &cs, 8);
    std::memcpy(note.qemu.data() + 392 + 24, &cr3, 8);
    const auto space = open_x86_64_kernel(image_.tables.memory, Vmcoreinfo(image_.info), {note});
    EXPECT_TRUE(space);
    return space ? space->remarks : std::vector<std::string>{};
  }

  KernelImage image_;
};

TEST_F(X86Cr3, WithoutPageTableIsolationBit12IsAnAddressBit) {
  maps_something_else(kWithout);
  maps_the_kernel(kWith);
  EXPECT_THAT(remarks(), testing::IsEmpty());
}

TEST_F(X86Cr3, WithPageTableIsolationBit12SelectsTheUsersHalf) {
  maps_the_kernel(kWithout);
  maps_something_else(kWith);
  EXPECT_THAT(remarks(), testing::IsEmpty());
}

TEST_F(X86Cr3, WhenNeitherMapsTheKernelAsItShouldBeItIsSaid) {
  maps_something_else(kWithout);
  maps_something_else(kWith);
  EXPECT_THAT(remarks(), testing::ElementsAre(HasSubstr("does not map the kernel")));
}

TEST(X86Registers, TheFrameOfAKernelModeExceptionIsDecoded) {
  std::vector<std::byte> bytes(kX86FrameSize);
  const auto put = [&](std::uint64_t at, std::uint64_t value) {
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  };
  put(24, 0x1212);
  put(40, 0x106);
  put(72, 0x0808);
  put(128, 0xffff'ffff'817c'0c2d);
  put(136, 0x10);
  put(144, 0x206);
  put(152, 0xffff'c900'0000'3e78);
  put(160, 0x18);
  const auto frame = decode_x86_64_frame(bytes, VirtAddr{0x100});
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->pc, VirtAddr{0xffff'ffff'817c'0c2d});
  EXPECT_EQ(register_value(frame->registers, "RBX"), 0x106u);
  EXPECT_EQ(register_value(frame->registers, "R12"), 0x1212u);
  EXPECT_EQ(register_value(frame->registers, "R08"), 0x0808u);

  put(136, 0x33);  // a user's frame
  EXPECT_FALSE(decode_x86_64_frame(bytes, VirtAddr{0x100}));
  put(136, 0x10);
  put(144, 0xffff'ffff'0000'0206);  // no flags register
  EXPECT_FALSE(decode_x86_64_frame(bytes, VirtAddr{0x100}));
  put(144, 0x206);
  put(152, 0x7fff'0000);  // a stack in user memory
  EXPECT_FALSE(decode_x86_64_frame(bytes, VirtAddr{0x100}));
}

TEST(X86Registers, QemusNoteGivesTheControlRegisters) {
  CpuNote note;
  note.prstatus.resize(336);
  note.qemu.resize(440);
  const std::uint64_t cr2 = 0x106, cr3 = 0x5bae000 | 1 << 12, gs = 0xffff'8880'1f40'0000;
  std::memcpy(note.qemu.data() + 392 + 16, &cr2, 8);
  std::memcpy(note.qemu.data() + 392 + 24, &cr3, 8);
  std::memcpy(note.qemu.data() + 8 + 144 + 96 + 16, &gs, 8);
  const auto state = decode_x86_64_cpu(note);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->fault_address, 0x106u);
  EXPECT_EQ(state->page_table_root, PhysAddr{cr3});
  EXPECT_THAT(state->per_cpu_bases, testing::Contains(gs));
  note.qemu.resize(100);
  EXPECT_EQ(decode_x86_64_cpu(note)->fault_address, std::nullopt);
}

}  // namespace
}  // namespace rig::analyzer
