// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/kernel_config.h"

#include <gmock/gmock.h>

#include "analyzer/arch/arm64_kernel.h"
#include "analyzer/arch/x86_64_kernel.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using fake::FakeVirtMemory;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kSwapperPgDir = 0xffff'ffff'8240'a000;

std::optional<Btf> stacks_of(std::uint32_t bytes) {
  BtfBuilder btf;
  btf.structure("thread_union", bytes, {});
  btf.structure("irq_stack", bytes, {});
  return btf.build();
}

TEST(TaskStackSize, IsThatOfTheTypesSoThatKasanMayDoubleIt) {
  const FakeVirtMemory memory;
  const Vmcoreinfo info("");
  EXPECT_EQ(task_stack_size(Kernel(memory, info, {}, stacks_of(32 << 10)), 16 << 10), 32u << 10);
}

TEST(TaskStackSize, WithoutTypesIsThatOfTheFirstTasksStackInTheImage) {
  const FakeVirtMemory memory;
  const Vmcoreinfo info(
      "SYMBOL(init_stack)=ffffffff82600000\nSYMBOL(__end_init_task)=ffffffff82608000\n");
  EXPECT_EQ(task_stack_size(Kernel(memory, info, {}, {}), 16 << 10), 32u << 10);
}

TEST(TaskStackSize, ThatNoKernelHasIsNotBelieved) {
  const FakeVirtMemory memory;
  const Vmcoreinfo info(
      "SYMBOL(init_stack)=ffffffff82600000\nSYMBOL(__end_init_task)=ffffffff82601234\n");
  EXPECT_EQ(task_stack_size(Kernel(memory, info, {}, stacks_of(0)), 16 << 10), 16u << 10);
  EXPECT_EQ(task_stack_size(Kernel(memory, info, {}, stacks_of(1 << 30)), 16 << 10), 16u << 10);
}

TEST(X86Stacks, AreAsLargeAsTheTypesSay) {
  FakeVirtMemory memory;
  constexpr std::uint64_t kVariables = 0xffff'ffff'8250'0000;
  memory.put(kVariables, std::uint64_t{0});               // __per_cpu_offset
  memory.put(kVariables + 8, 0xffff'c900'0000'8000 - 8);  // hardirq_stack_ptr
  const Vmcoreinfo info(
      fmt::format("SYMBOL(__per_cpu_offset)={:x}\nSYMBOL(hardirq_stack_ptr)={:x}\n", kVariables,
                  kVariables + 8));
  for (const std::uint32_t size : {16u << 10, 32u << 10}) {
    const auto stacks = x86_64_cpu_stacks(Kernel(memory, info, {}, stacks_of(size)), 0);
    ASSERT_EQ(stacks.size(), 1u);
    EXPECT_EQ(stacks[0].size, size);
    EXPECT_EQ(stacks[0].end(), VirtAddr{0xffff'c900'0000'8000});
  }
}

class X86FixedLayout : public testing::Test {
 protected:
  void maps_directly() {
    const auto physical = raw(*memory_.translate(VirtAddr{kSwapperPgDir}));
    memory_.put(FakeVirtMemory::kDirectMap + physical, std::uint64_t{0});
  }
  Kernel kernel() const { return Kernel(memory_, info_, {}, {}); }

  X86FixedLayout() { memory_.put(kSwapperPgDir, std::uint64_t{0}); }

  FakeVirtMemory memory_;
  Vmcoreinfo info_{fmt::format("SYMBOL(swapper_pg_dir)={:x}\n", kSwapperPgDir)};
};

TEST_F(X86FixedLayout, OfAKernelWithoutKaslrOfItsMemoryIsTheDocumentedOne) {
  maps_directly();
  const auto layout = x86_64_layout(kernel());
  EXPECT_EQ(layout.direct_map, VirtAddr{0xffff'8880'0000'0000});
  EXPECT_EQ(layout.page_array, VirtAddr{0xffff'ea00'0000'0000});
  EXPECT_EQ(x86_64_region(kernel(), 4, VirtAddr{0xffff'8880'0123'0000}).words, "in the direct map");
  EXPECT_EQ(x86_64_region(kernel(), 4, VirtAddr{0xffff'c900'0123'0000}).words,
            "in the vmalloc area");
}

TEST_F(X86FixedLayout, ThatThePageTablesDoNotConfirmIsNotClaimed) {
  const auto layout = x86_64_layout(kernel());
  EXPECT_FALSE(layout.direct_map);
  EXPECT_FALSE(layout.page_array);
}

TEST_F(X86FixedLayout, KasansShadowIsNotTheArrayOfPages) {
  maps_directly();
  const VirtAddr shadow{0xffff'ed10'0000'0000};
  EXPECT_EQ(x86_64_region(kernel(), 4, shadow).words, "in the array of pages");
  info_ = Vmcoreinfo(
      fmt::format("SYMBOL(swapper_pg_dir)={:x}\nSYMBOL(kasan_quarantine_put)=ffffffff81300000\n",
                  kSwapperPgDir));
  EXPECT_EQ(x86_64_region(kernel(), 4, shadow).words, "in KASAN's shadow memory");
  EXPECT_EQ(x86_64_region(kernel(), 4, VirtAddr{0xffff'ea00'0000'1000}).words,
            "in the array of pages");
}

TEST(Arm64Shadow, IsNotTheLinearMap) {
  const FakeVirtMemory memory;
  const std::string lines = "NUMBER(VA_BITS)=48\nNUMBER(MODULES_VADDR)=0xffff800000000000\n";
  const Vmcoreinfo plain(lines);
  const Vmcoreinfo kasan(lines + "SYMBOL(kasan_quarantine_put)=ffff800008300000\n");
  const VirtAddr shadow{0xffff'6000'0000'1000}, linear{0xffff'0000'0400'0000};
  EXPECT_EQ(arm64_region(Kernel(memory, plain, {}, {}), 4, shadow).words, "in the linear map");
  EXPECT_EQ(arm64_region(Kernel(memory, kasan, {}, {}), 4, shadow).words,
            "in KASAN's shadow memory");
  EXPECT_EQ(arm64_region(Kernel(memory, kasan, {}, {}), 4, linear).words, "in the linear map");
}

}  // namespace
}  // namespace rig::analyzer
