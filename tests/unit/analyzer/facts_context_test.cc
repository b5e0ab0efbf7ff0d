// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/context.h"

#include <gmock/gmock.h>

#include "fakes/orc_kernel.h"

namespace rig::analyzer {
namespace {

using fake::OrcKernel;

// The count that the case kprobe-nmi-alloc hangs on.
TEST(Context, TheCountOfAnInt3HandlerIsAnNmiInAHardirq) {
  const auto context = decode_context(0x80110003);
  EXPECT_EQ(context.nmi, 1u);
  EXPECT_EQ(context.hardirq, 1u);
  EXPECT_EQ(context.softirq, 0u);
  EXPECT_EQ(context.preempt, 3u);
  EXPECT_EQ(context.words, "NMI");
}

TEST(Context, TheInnermostIsNamed) {
  EXPECT_EQ(decode_context(0x80000000).words, "task");
  EXPECT_EQ(decode_context(0x80000001).words, "task");
  EXPECT_EQ(decode_context(0x80000100).words, "softirq");
  EXPECT_EQ(decode_context(0x80010100).words, "hardirq");
  EXPECT_EQ(decode_context(0x00f10101).words, "NMI");
  EXPECT_EQ(decode_context(0x00f10101).nmi, 15u);
}

TEST(Context, DisabledBottomHalvesAreNotASoftirq) {
  const auto context = decode_context(0x80000201);
  EXPECT_EQ(context.softirq, 2u);
  EXPECT_FALSE(context.serving_softirq);
  EXPECT_EQ(context.words, "task");
}

TEST(Context, InterruptsAreOffAsTheFlagsSay) {
  const auto off = [](std::string name, std::uint64_t value) {
    return irqs_off(std::vector<RegisterValue>{{"RAX", 0x200}, {std::move(name), value}});
  };
  EXPECT_EQ(off("EFLAGS", 0x246), false);
  EXPECT_EQ(off("EFLAGS", 0x46), true);
  EXPECT_EQ(off("pstate", 0x600000c5), true);
  EXPECT_EQ(off("pstate", 0x60000005), false);
  EXPECT_EQ(off("RBX", 0), std::nullopt);
}

TEST(Context, TheCountIsTheCpusOwn) {
  OrcKernel guest;
  guest.symbols = {{0x1'fb80, 'D', "__preempt_count"}};
  guest.memory.put(OrcKernel::kPerCpu + 0x1'fb80, std::uint32_t{0x80000001});
  guest.memory.put(OrcKernel::kPerCpu + 0x10'0000 + 0x1'fb80, std::uint32_t{0x80110003});
  EXPECT_EQ(read_context(guest.kernel(), 0, {}, {})->words, "task");
  EXPECT_EQ(read_context(guest.kernel(), 1, {}, {})->preempt_count, 0x80110003);
  EXPECT_EQ(read_context(guest.kernel(), 1, {}, {})->irqs_off, std::nullopt);
  guest.memory.pages.forget(OrcKernel::kPerCpu + 0x10'0000 + 0x1'fb80);
  EXPECT_FALSE(read_context(guest.kernel(), 1, {}, {}));
}

TEST(Context, LaterKernelsKeepItInOneStructOfHotVariables) {
  OrcKernel guest;
  const int u32 = guest.types.integer("u32", 4);
  guest.types.structure("pcpu_hot", 16, {{"preempt_count", u32, 8}});
  guest.symbols = {{0x1'f000, 'D', "pcpu_hot"}};
  guest.memory.put(OrcKernel::kPerCpu + 0x10'0000 + 0x1'f008, std::uint32_t{0x00010000});
  EXPECT_EQ(read_context(guest.kernel(), 1, {}, {})->words, "hardirq");
}

TEST(Context, OtherArchitecturesKeepItInTheTask) {
  OrcKernel guest;
  guest.memory.put(OrcKernel::kTask + 8, std::uint32_t{0x00000100});
  EXPECT_EQ(read_context(guest.kernel(), 1, VirtAddr{OrcKernel::kTask}, {})->words, "softirq");
  EXPECT_FALSE(read_context(guest.kernel(), 1, {}, {}));
}

}  // namespace
}  // namespace rig::analyzer
