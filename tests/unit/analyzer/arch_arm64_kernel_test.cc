// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/arm64_kernel.h"

#include <gmock/gmock.h>

#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"

namespace rig::analyzer {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

// Memory whose translations are given one by one.
class MappedMemory final : public VirtMemory {
 public:
  Read<void> read(VirtAddr address, MutableBytes out) const override {
    return bytes.pages.read(raw(address), out, Absence::kUnmapped);
  }
  Read<PhysAddr> translate(VirtAddr address) const override {
    const auto found = pages.find(address);
    if (found == pages.end()) {
      return tl::unexpected(ReadFault{Absence::kUnmapped, raw(address)});
    }
    return found->second;
  }

  fake::FakeVirtMemory bytes;
  std::map<VirtAddr, PhysAddr> pages;
};

constexpr std::uint64_t kSwapper = 0xffff'bb85'f805'8000;
constexpr std::uint64_t kSwapperAt = 0x4185'8000;
constexpr std::uint64_t kRam = 0x4000'0000;
constexpr std::uint64_t kLinear = 0xffff'0000'0000'0000;
constexpr std::uint64_t kVmemmap = 0xffff'fc00'0000'0000;
constexpr std::uint64_t kStructPage = 64;
constexpr std::uint64_t kPageOfSwapper = (kSwapperAt - kRam) / 4096 * kStructPage;

class Arm64Layout : public testing::Test {
 protected:
  void SetUp() override {
    memory_.pages[VirtAddr{kSwapper}] = PhysAddr{kSwapperAt};
    memory_.pages[VirtAddr{kLinear + kSwapperAt - kRam}] = PhysAddr{kSwapperAt};
  }
  void put_struct_page(std::uint64_t at, std::uint64_t flags, std::uint32_t references) {
    memory_.bytes.put(at, flags);
    memory_.bytes.put(at + 52, references);
  }
  KernelLayout layout(const std::string& more = "") {
    const Vmcoreinfo info(
        "NUMBER(VA_BITS)=48\nNUMBER(PHYS_OFFSET)=0x40000000\nPAGESIZE=4096\nSIZE(page)=64\n"
        "OFFSET(page._refcount)=52\nOFFSET(page.flags)=0\nSYMBOL(swapper_pg_dir)="
        "ffffbb85f8058000\n" +
        more);
    fake::BtfBuilder types;
    types.enumeration("pageflags", {{"PG_locked", 0}, {"PG_reserved", 12}});
    return arm64_layout(Kernel(memory_, info, {}, types.build()));
  }

  MappedMemory memory_;
};

TEST_F(Arm64Layout, TheLinearMapAndTheArrayOfPagesAreThoseOfPhysicalAddressZero) {
  put_struct_page(kVmemmap + kPageOfSwapper, 1 << 12, 1);
  const auto found = layout("NUMBER(VMEMMAP_START)=0xfffffc0000000000\n");
  EXPECT_EQ(found.direct_map, VirtAddr{kLinear - kRam});
  EXPECT_EQ(found.page_array, VirtAddr{kVmemmap - kRam / 4096 * kStructPage});
  EXPECT_EQ(found.page_size, 4096u);
}

TEST_F(Arm64Layout, TheArrayOfPagesIsComputedWhereVmcoreinfoDoesNotName) {
  // v5.11 to v6.8, since v6.9, v5.4 to v5.10.
  for (const std::uint64_t begin : {0ull - (1ull << 42), 0ull - (1ull << 30) - (1ull << 41),
                                    0ull - (2ull << 20) - (1ull << 41)}) {
    memory_.bytes = {};
    put_struct_page(begin + kPageOfSwapper, 1 << 12, 1);
    EXPECT_EQ(layout().page_array, VirtAddr{begin - kRam / 4096 * kStructPage})
        << fmt::format("{:#x}", begin);
  }
}

TEST_F(Arm64Layout, AnArrayWhoseStructPageMakesNoSenseIsNotTaken) {
  const std::string number = "NUMBER(VMEMMAP_START)=0xfffffc0000000000\n";
  EXPECT_FALSE(layout(number).page_array);  // not mapped
  put_struct_page(kVmemmap + kPageOfSwapper, 1 << 12, 7);
  EXPECT_FALSE(layout(number).page_array);  // used by many
  put_struct_page(kVmemmap + kPageOfSwapper, 0, 1);
  EXPECT_FALSE(layout(number).page_array);  // not reserved
}

TEST_F(Arm64Layout, ALinearMapInTheMiddleOfTheKernelsHalfIsFoundToo) {
  memory_.pages.erase(VirtAddr{kLinear + kSwapperAt - kRam});
  EXPECT_FALSE(layout().direct_map);
  memory_.pages[VirtAddr{0xffff'8000'0000'0000 + kSwapperAt - kRam}] = PhysAddr{kSwapperAt};
  EXPECT_EQ(layout().direct_map, VirtAddr{0xffff'8000'0000'0000 - kRam});
}

TEST(Arm64Pac, OnlyTheBitsThatVmcoreinfoNamesAreFilled) {
  const Vmcoreinfo pac("NUMBER(KERNELPACMASK)=0xffff000000000000\n");
  EXPECT_EQ(without_pac(pac, VirtAddr{0x12b5'bb85'f6a2'8648}), VirtAddr{0xffff'bb85'f6a2'8648});
  EXPECT_EQ(without_pac(pac, VirtAddr{0x0035'bb85'f6a2'8648}), VirtAddr{0x0035'bb85'f6a2'8648});
  const Vmcoreinfo none("NUMBER(KERNELPACMASK)=0x0\n");
  EXPECT_EQ(without_pac(none, VirtAddr{0xdead'0000'0000'0100}), VirtAddr{0xdead'0000'0000'0100});
}

TEST(Arm64Region, EachAreaOfTheAddressSpaceHasItsName) {
  const fake::FakeVirtMemory memory;
  const Vmcoreinfo info(
      "NUMBER(VA_BITS)=48\nNUMBER(MODULES_VADDR)=0xffff800000000000\n"
      "NUMBER(MODULES_END)=0xffff800008000000\nNUMBER(VMALLOC_START)=0xffff800008000000\n"
      "NUMBER(VMALLOC_END)=0xfffffbfff0000000\nNUMBER(VMEMMAP_START)=0xfffffc0000000000\n"
      "NUMBER(VMEMMAP_END)=0xfffffe0000000000\nNUMBER(KERNELPACMASK)=0xffff000000000000\n"
      "SYMBOL(_stext)=ffffbb85f6a10000\nSYMBOL(_end)=ffffbb85f8a10000\n");
  const Kernel kernel(memory, info, {}, {});
  const auto words = [&](std::uint64_t address) {
    return arm64_region(kernel, 4, VirtAddr{address}).words;
  };
  EXPECT_EQ(words(0xffff'0000'0262'4100), "in the linear map");
  EXPECT_EQ(words(0xfbff'0000'0262'4100), "in the linear map");  // with a tag
  EXPECT_EQ(words(0xffff'8000'0123'4000), "in the modules area");
  EXPECT_EQ(words(0xffff'8000'0802'b7d0), "in the vmalloc area");
  EXPECT_EQ(words(0xffff'bb85'f6a2'8648), "in the kernel's image");
  EXPECT_EQ(words(0x1285'bb85'f6a2'8648), "in the kernel's image");  // a signed return address
  EXPECT_EQ(words(0xffff'fc00'0000'1000), "in the array of pages");
  EXPECT_EQ(words(0xffff'fbff'fe80'0000), "a kernel address");
  EXPECT_EQ(words(0xdead'0000'0000'0100), "a list poison: the entry was removed from its list");
}

TEST(Arm64Region, WithoutASymbolForItsEndTheImageIsWhatItsOffsetMaps) {
  MappedMemory memory;
  const Vmcoreinfo info(
      "NUMBER(VA_BITS)=48\nNUMBER(MODULES_VADDR)=0xffff800000000000\n"
      "NUMBER(VMALLOC_START)=0xffff800008000000\nNUMBER(VMALLOC_END)=0xfffffbfff0000000\n"
      "NUMBER(kimage_voffset)=0xffffbb85b6800000\nSYMBOL(_stext)=ffffbb85f6a10000\n");
  const VirtAddr data{0xffff'bb85'f859'46b8}, allocated{0xffff'bb85'f900'0000};
  memory.pages[data] = PhysAddr{0x41d9'46b8};
  memory.pages[allocated] = PhysAddr{0x4555'5000};
  const Kernel kernel(memory, info, {}, {});
  EXPECT_EQ(arm64_region(kernel, 4, data).words, "in the kernel's image");
  EXPECT_EQ(arm64_region(kernel, 4, allocated).words, "in the vmalloc area");
}

TEST(Arm64Region, WithoutAuthenticationAPointerWithHolesIsNoAddress) {
  const fake::FakeVirtMemory memory;
  const Vmcoreinfo info("NUMBER(VA_BITS)=48\nNUMBER(KERNELPACMASK)=0x0\n");
  const Kernel kernel(memory, info, {}, {});
  const auto region = arm64_region(kernel, 4, VirtAddr{0xff9a'0000'0000'0100});
  EXPECT_EQ(region.words, "not a canonical address");
  EXPECT_FALSE(region.worth_asking);
}

// Per-CPU areas of two CPUs, a task on each.
class Arm64PerCpu : public testing::Test {
 protected:
  static constexpr std::uint64_t kTask = 0xffff'0000'0262'4100, kOther = 0xffff'0000'0262'8100;

  Arm64PerCpu() {
    for (unsigned cpu = 0; cpu < 2; ++cpu) memory_.put(kOffsets + cpu * 8, offset(cpu));
    memory_.put(kTask + 16, 1u);
    memory_.put(kOther + 16, 0u);
  }
  static std::uint64_t offset(unsigned cpu) { return 0x1000'0000ull * (cpu + 1); }
  Kernel kernel() {
    fake::BtfBuilder types;
    const int u32 = types.integer("u32", 4);
    const int u64 = types.integer("u64", 8);
    const int info = types.structure("thread_info", 24, {{"flags", u64, 0}, {"cpu", u32, 16}});
    types.structure("task_struct", 64, {{"thread_info", info, 0}, {"pid", u32, 32}});
    types.structure("rq", 64, {{"curr", u64, 8}});
    types.a_union("thread_union", 32768, {{"task", u64, 0}});
    return Kernel(memory_, info_, {}, types.build());
  }

  static constexpr std::uint64_t kOffsets = 0xffff'bb85'f800'0000;
  static constexpr std::uint64_t kEntryTask = 0xffff'bb85'f800'1000, kQueue = kEntryTask + 0x100;
  fake::FakeVirtMemory memory_;
  Vmcoreinfo info_{
      "PAGESIZE=4096\nSYMBOL(__per_cpu_offset)=ffffbb85f8000000\n"
      "SYMBOL(__entry_task)=ffffbb85f8001000\nSYMBOL(runqueues)=ffffbb85f8001100\n"
      "SYMBOL(irq_stack_ptr)=ffffbb85f8001200\nSYMBOL(overflow_stack)=ffffbb85f8002000\n"
      "SYMBOL(sdei_stack_normal_ptr)=ffffbb85f8001208\n"};
};

TEST_F(Arm64PerCpu, TheCurrentTaskIsTheOneThatIsEnteredFor) {
  memory_.put(kEntryTask + offset(1), kTask);
  EXPECT_EQ(arm64_current_task(kernel(), 1), VirtAddr{kTask});
  EXPECT_EQ(arm64_current_task(kernel(), 0), std::nullopt);
}

TEST_F(Arm64PerCpu, ATaskThatSaysItIsOnAnotherCpuIsNotBelieved) {
  memory_.put(kEntryTask + offset(1), kOther);
  memory_.put(kQueue + offset(1) + 8, kTask);
  EXPECT_EQ(arm64_current_task(kernel(), 1), VirtAddr{kTask});
  memory_.put(kQueue + offset(1) + 8, kOther);
  EXPECT_EQ(arm64_current_task(kernel(), 1), std::nullopt);
}

TEST_F(Arm64PerCpu, StacksOfACpuComeInTheOrderInWhichTheyAreEntered) {
  memory_.put(kEntryTask + 0x200 + offset(1), std::uint64_t{0xffff'8000'0800'8000});
  memory_.put(kEntryTask + 0x208 + offset(1), std::uint64_t{0});  // no firmware with SDEI
  const auto stacks = arm64_cpu_stacks(kernel(), 1);
  EXPECT_THAT(stacks, ElementsAre(Field(&StackRange::name, "IRQ stack of CPU 1"),
                                  Field(&StackRange::name, "overflow stack of CPU 1")));
  EXPECT_EQ(stacks[0].begin, VirtAddr{0xffff'8000'0800'8000});
  EXPECT_EQ(stacks[0].size, 32768u);  // THREAD_SIZE, as the types have it
  EXPECT_EQ(stacks[1].begin, VirtAddr{0xffff'bb85'f800'2000 + offset(1)});
}

TEST(Arm64Stacks, AreToldByTheirAlignmentAndTheGuardBelow) {
  fake::FakeVirtMemory memory;
  constexpr std::uint64_t kStack = 0xffff'8000'0802'8000, kSize = 0x4000;
  for (std::uint64_t at = 0; at < kSize; at += 4096) memory.put(kStack + at, std::uint64_t{0});
  const Vmcoreinfo info("PAGESIZE=4096\n");
  const Kernel kernel(memory, info, {}, {});
  const auto stacks = arm64_stacks_around(kernel, VirtAddr{kStack + 0x1230});
  ASSERT_THAT(stacks, testing::SizeIs(1));
  EXPECT_EQ(stacks[0].begin, VirtAddr{kStack});
  EXPECT_EQ(stacks[0].size, kSize);
  EXPECT_THAT(arm64_stacks_around(kernel, VirtAddr{kStack + kSize}), testing::SizeIs(1));
  EXPECT_THAT(arm64_stacks_around(kernel, VirtAddr{kStack + kSize + 8}), IsEmpty());
  EXPECT_THAT(arm64_stacks_around(kernel, VirtAddr{0x7fff'0000}), IsEmpty());
  memory.put(kStack - 8, std::uint64_t{0});  // no guard
  EXPECT_THAT(arm64_stacks_around(kernel, VirtAddr{kStack + 0x1230}), IsEmpty());
}

}  // namespace
}  // namespace rig::analyzer
