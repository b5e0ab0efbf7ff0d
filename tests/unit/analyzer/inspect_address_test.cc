// SPDX-License-Identifier: Apache-2.0
// `whatis ADDRESS`, the whole way from the file.
#include <gmock/gmock.h>

#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using fake::KernelCore;
using testing::HasSubstr;
using testing::StartsWith;

std::string whatis(std::uint64_t address) {
  return KernelCore().text(fmt::format("whatis {:#x}", address));
}

TEST(InspectAddress, NumbersNearNullAreOffsetsBehindIt) {
  EXPECT_EQ(whatis(0), "0: NULL\n");
  EXPECT_EQ(whatis(0x106), "106: in the NULL page: 0x106 behind NULL\n");
  EXPECT_THAT(whatis(0x10), HasSubstr("ZERO_SIZE_PTR"));
}

TEST(InspectAddress, ErrorsAsPointersHaveTheirName) {
  EXPECT_THAT(whatis(0 - 12ull), HasSubstr("the error ENOMEM (-12) as a pointer"));
  EXPECT_THAT(whatis(0 - 512ull), HasSubstr("ERESTARTSYS (-512)"));
  EXPECT_THAT(whatis(0 - 4000ull), HasSubstr("the error -4000 as a pointer"));
  EXPECT_THAT(whatis(0 - 4096ull), testing::Not(HasSubstr("error")));
}

TEST(InspectAddress, PoisonIsNamedWithWhatWasAddedToIt) {
  EXPECT_THAT(whatis(0xdead'0000'0000'0100), HasSubstr("LIST_POISON1"));
  EXPECT_THAT(whatis(0xdead'0000'0000'012a), HasSubstr("from its list + 0x8\n"));
  EXPECT_THAT(whatis(0x6b6b'6b6b'6b6b'6b6b), HasSubstr("POISON_FREE"));
  EXPECT_THAT(whatis(0x6b6b'6b6b'6b6b'6bcb), HasSubstr("0x6b6b6b6b6b6b6b6b + 0x60: POISON_FREE"));
  EXPECT_THAT(whatis(0x6b6b'6b6b'6b6b'6b63), HasSubstr("0x6b6b6b6b6b6b6b6b - 0x8"));
  EXPECT_THAT(whatis(0x6b6b'6b6b'0000'0106), HasSubstr("0x106 over the pattern"));
  EXPECT_THAT(whatis(0x5a5a'5a5a'5a5a'5a5a), HasSubstr("POISON_INUSE"));
}

TEST(InspectAddress, WhatIsNoAddressSaysSo) {
  EXPECT_THAT(whatis(0xffff'0008'8fec'6500), HasSubstr("not a canonical address"));
  EXPECT_THAT(KernelCore().json("whatis ffff00088fec6500"),
              HasSubstr(R"("kind":"nothing","words":"not a canonical address","known":false)"));
}

TEST(InspectAddress, CodeAndDataHaveTheirNameAndSection) {
  EXPECT_THAT(whatis(KernelCore::kText + 0x44),
              StartsWith(fmt::format("{:x}: code first+0x4\n  section    the kernel's code\n",
                                     KernelCore::kText + 0x44)));
  EXPECT_THAT(KernelCore().json("whatis sample+8"),
              HasSubstr(R"("kind":"data","words":"data sample+0x8","known":true)"));
}

TEST(InspectAddress, PerCpuMemoryHasItsCpu) {
  EXPECT_THAT(whatis(KernelCore::kPerCpu + KernelCore::kUnit + 0x102),
              HasSubstr("per-CPU counter+0x2 of CPU 1"));
  EXPECT_THAT(whatis(KernelCore::kPerCpu + KernelCore::kPointer + 8),
              HasSubstr("per-CPU memory of CPU 0, alloc_percpu: 24 bytes for each CPU, +0x8"));
}

TEST(InspectAddress, TheVsyscallPageIsTold) {
  EXPECT_THAT(whatis(0xffff'ffff'ff60'0400), HasSubstr("the vsyscall page"));
}

TEST(InspectAddress, PhysicalAddressesAreSoughtInTheCoresMemory) {
  EXPECT_THAT(KernelCore().text("whatis -p 0x7000000000"), HasSubstr("not in the core's memory"));
  EXPECT_THAT(KernelCore().text("whatis -p 0x1800100"),
              HasSubstr("where the direct map lies is not known"));
  EXPECT_THAT(KernelCore().text("whatis -p nonsense"), HasSubstr("-p wants a physical address"));
}

}  // namespace
}  // namespace rig::analyzer
