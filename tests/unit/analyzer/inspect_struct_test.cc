// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using fake::KernelCore;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::uint64_t kSample = KernelCore::kSample;

TEST(InspectStruct, ADefinitionHasOffsetsAndItsSize) {
  EXPECT_EQ(KernelCore().text("struct -o list_head"),
            "struct list_head {\n"
            "   [0] void *next;\n"
            "   [8] void *prev;\n"
            "}\n"
            "SIZE: 16\n");
  const std::string text = KernelCore().text("struct -xo sample");
  EXPECT_THAT(text, HasSubstr("   [0x10] int id;\n"));
  EXPECT_THAT(text, HasSubstr("          union {\n"
                              "   [0x3c]     unsigned int word;\n"
                              "              struct {\n"
                              "   [0x3c]         unsigned int low : 3;\n"));
  EXPECT_THAT(text, HasSubstr("SIZE: 0x100\n"));
}

TEST(InspectStruct, ValuesAreWrittenByTheirTypes) {
  KernelCore core;
  core.put(kSample + 16, -5);
  core.put(kSample + 20, 2);
  core.memory.put_text(kSample + 24, "toa");
  core.put(kSample + 40, kSample + 0x300);
  core.memory.put_text(kSample + 0x300, "late");
  core.put(kSample + 48, KernelCore::kText + 0x44);
  core.put(kSample + 56, std::uint8_t{1});
  core.put(kSample + 60, std::uint32_t{5 | 9 << 3});
  core.put(kSample + 64, std::uint32_t{3});
  const std::string text = core.text("struct sample sample");
  EXPECT_THAT(text, StartsWith("struct sample {\n"));
  EXPECT_THAT(text, HasSubstr("  id = -5,\n"));
  EXPECT_THAT(text, HasSubstr("  state = DONE,\n"));
  EXPECT_THAT(text, HasSubstr("  name = \"toa\",\n"));
  EXPECT_THAT(text, HasSubstr(" \"late\",\n"));
  EXPECT_THAT(text, HasSubstr("  handler = 0xffffffff81000044 <first+0x4>,\n"));
  EXPECT_THAT(text, HasSubstr("  ready = true,\n"));
  EXPECT_THAT(text, HasSubstr("      low = 5,\n      high = 9\n"));
  EXPECT_THAT(text, HasSubstr("  counts = {3, 0 <repeats 11 times>},\n"));
}

TEST(InspectStruct, FlagsOfAnEnumAreOredAndWhatIsLeftStaysANumber) {
  KernelCore core;
  core.put(kSample + 20, 6);
  EXPECT_EQ(core.text("struct sample.state sample"), "  state = (DONE | LATE)\n");
  core.put(kSample + 20, 0x12);
  EXPECT_EQ(core.text("struct sample.state sample"), "  state = (DONE | 0x10)\n");
  core.put(kSample + 20, 0x40);
  EXPECT_EQ(core.text("struct sample.state sample"), "  state = 64\n");
}

TEST(InspectStruct, ListsAreSaidToBeEmptyOrPoisoned) {
  KernelCore core;
  core.put(kSample, kSample);
  core.put(kSample + 8, kSample);
  core.put(kSample + 112, 0xdead'0000'0000'0100);
  core.put(kSample + 120, 0xdead'0000'0000'0122);
  EXPECT_THAT(core.text("struct sample.list sample"), HasSubstr("} (empty)"));
  EXPECT_THAT(core.text("struct sample.pairs[0] sample"), HasSubstr("} (poisoned)"));
  core.put(kSample + 8, kSample + 0x40);
  EXPECT_THAT(core.text("struct sample.list sample"), HasSubstr("(broken"));
}

TEST(InspectStruct, MembersAreReachedThroughArraysAndAnonymousParts) {
  KernelCore core;
  core.put(kSample + 60, std::uint32_t{5});
  core.put(kSample + 64 + 3 * 4, std::uint32_t{0x21});
  EXPECT_EQ(core.text("struct -x sample.low,counts[3] sample"),
            "  low = 0x5\n  counts[3] = 0x21\n");
  EXPECT_THAT(core.text("struct sample.counts[12] sample"), HasSubstr("no member"));
  EXPECT_THAT(core.text("struct sample.nothing sample"), HasSubstr("no member 'nothing'"));
}

TEST(InspectStruct, AnAddressWithinAStructCanStandForIt) {
  KernelCore core;
  core.put(kSample + 16, 42);
  EXPECT_EQ(core.text("struct sample.id sample+24 -l name"), "  id = 42\n");
  EXPECT_EQ(core.text("struct sample.id sample+24 -l sample.name"), "  id = 42\n");
  EXPECT_EQ(core.text("struct sample.id 0xffffffff81800118 -l 0x18"), "  id = 42\n");
}

TEST(InspectStruct, APageThatIsNotThereIsSaidInPlace) {
  KernelCore core;
  const std::string at = fmt::format("{:x}", KernelCore::kHole - 0x1000);
  core.put(KernelCore::kHole - 0x1000, std::uint64_t{77});
  const std::string text = core.text("struct large " + at);
  EXPECT_THAT(text, HasSubstr("before = 77,\n"));
  EXPECT_THAT(text, HasSubstr("after = <page excluded at 0xffffffff81900000>\n"));
  EXPECT_THAT(core.text("struct large 0x10"), HasSubstr("<not mapped at 0x10>"));
}

TEST(InspectStruct, SeveralInARowAndBackwards) {
  KernelCore core;
  core.put(kSample, std::uint64_t{1});
  core.put(kSample - 16, std::uint64_t{2});
  const std::string text = core.text("struct list_head.next sample -c -2");
  EXPECT_THAT(text, HasSubstr("ffffffff81800100\n  next = 0x1\nffffffff818000f0\n  next = 0x2\n"));
}

TEST(InspectStruct, WhatDoesNotExistGetsTheNearestName) {
  EXPECT_THAT(KernelCore().text("struct sampel"), HasSubstr("did you mean 'sample'"));
  EXPECT_THAT(KernelCore().text("struct sample sampel"), HasSubstr("did you mean 'sample'"));
  EXPECT_THAT(KernelCore().text("union sample -z"), HasSubstr("usage: struct"));
}

TEST(InspectStruct, JsonHasOffsetsTypesAndWholeNumbers) {
  KernelCore core;
  core.put(kSample + 16, -5);
  const std::string json = core.json("struct sample.id sample");
  EXPECT_THAT(json, HasSubstr(R"("type":"int","offset":16,"size":4,"value":"-5")"));
  EXPECT_THAT(core.json("struct sample"), HasSubstr(R"("bit_offset":3,"bit_size":29)"));
  EXPECT_THAT(core.json("enum state"), HasSubstr(R"("LATE":4)"));
}

TEST(InspectWhatis, VariablesAndEnumsAreDeclared) {
  EXPECT_EQ(KernelCore().text("whatis counter"), "unsigned int counter;\n");
  EXPECT_THAT(KernelCore().text("enum state"), HasSubstr("  LATE = 4\n"));
}

TEST(InspectWhatis, AnAddressOrAVariableIsWhatLiesThere) {
  EXPECT_THAT(fake::KernelCore().text("whatis behind_sample"),
              testing::StartsWith("ffffffff81800300: data behind_sample"));
  EXPECT_THAT(fake::KernelCore().text("whatis ffffffff81000044"),
              testing::StartsWith("ffffffff81000044: code first+0x4"));
  EXPECT_THAT(fake::KernelCore().text("whatis nosuchname"), testing::HasSubstr("whatis: no type"));
}

}  // namespace
}  // namespace rig::analyzer
