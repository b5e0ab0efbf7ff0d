// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using fake::KernelCore;
using testing::HasSubstr;
using testing::Not;

TEST(InspectPerCpu, AStaticVariableHasItsValueOnEveryCpu) {
  const std::string text = KernelCore().text("percpu counter");
  EXPECT_THAT(text, HasSubstr("unsigned int counter\n"));
  EXPECT_THAT(text, HasSubstr("[0]: ffffffff83100100  7\n"));
  EXPECT_THAT(text, HasSubstr("[1]: ffffffff83110100  8\n"));
  EXPECT_THAT(KernelCore().text("percpu counter:1"), Not(HasSubstr("[0]:")));
  EXPECT_THAT(KernelCore().text("struct sample.id counter:1"), HasSubstr("id = "));
}

TEST(InspectPerCpu, APointerOfAllocPercpuLeadsToEachCpusCopyAndItsAllocation) {
  const std::string text = KernelCore().text("percpu 0x1040");
  EXPECT_THAT(text, HasSubstr("alloc_percpu: 24 bytes for each CPU\n"));
  EXPECT_THAT(text, HasSubstr("[0]: ffffffff83101040  0000000000000064 0000000000000065 "
                              "0000000000000066\n"));
  EXPECT_THAT(text, HasSubstr("[1]: ffffffff83111040  00000000000000c8"));
  const std::string typed = KernelCore().text("percpu 0x1048 list_head.next");
  EXPECT_THAT(typed, HasSubstr("24 bytes for each CPU, +0x8\n"));
  EXPECT_THAT(typed, HasSubstr("[1]: ffffffff83111048  0xc9"));
}

TEST(InspectPerCpu, AnAddressOfOneCpusCopyStandsForThePointer) {
  EXPECT_THAT(KernelCore().text("percpu 0xffffffff83111040"),
              HasSubstr("per-CPU pointer 0x1040\n"));
}

TEST(InspectPerCpu, ACpuThatThereIsNotHasNoValue) {
  EXPECT_THAT(KernelCore().text("percpu counter:2"), HasSubstr("there is no CPU 2"));
  EXPECT_THAT(KernelCore().text("struct sample.id counter:2"), HasSubstr("there is no CPU 2"));
}

TEST(InspectPerCpu, AVariableThatAllCpusShareIsRefused) {
  EXPECT_THAT(KernelCore().text("percpu sample"), HasSubstr("'sample' is no per-CPU variable"));
}

TEST(InspectPerCpu, APointerOfNoChunkIsNotTakenForOneWithoutAWord) {
  const std::string text = KernelCore().text("percpu 0xdeadbeef 8");
  EXPECT_TRUE(text.find("no per-CPU pointer") != text.npos ||
              text.find("cannot be told") != text.npos)
      << text;
}

TEST(InspectPerCpu, WhatIsFreeIsSaidToBeFree) {
  EXPECT_THAT(KernelCore().text("percpu 0x1100 8"), HasSubstr("  free, in the per-CPU chunk"));
}

TEST(InspectPerCpu, TheChunksAreSummedUp) {
  const std::string json = KernelCore().json("percpu -c");
  EXPECT_THAT(json, HasSubstr(R"("allocations":1,"allocated_bytes":24,"free_bytes":4072)"));
  EXPECT_THAT(KernelCore().text("percpu -c"), HasSubstr("does not say where pcpu_chunk_lists"));
}

TEST(InspectPerCpu, AChunkThatMakesNoSenseIsNoChunk) {
  KernelCore core;
  core.put(KernelCore::kData + 0x400 + 48, std::uint32_t{0x7fff'ffff});
  EXPECT_THAT(core.text("percpu -c"), HasSubstr("makes no sense"));
  EXPECT_THAT(core.text("percpu 0x1040"), Not(HasSubstr("alloc_percpu")));
}

TEST(InspectPerCpu, WrongNamesGetAnAnswerThatHelps) {
  EXPECT_THAT(KernelCore().text("percpu countre"), HasSubstr("did you mean 'counter'"));
  EXPECT_THAT(KernelCore().text("percpu 0x1040 nosuch"), HasSubstr("no type 'nosuch'"));
  EXPECT_THAT(KernelCore().text("percpu"), HasSubstr("usage: percpu"));
}

}  // namespace
}  // namespace rig::analyzer
