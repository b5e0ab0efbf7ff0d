// SPDX-License-Identifier: Apache-2.0
#include "cmdline/parameter.h"

#include <gmock/gmock.h>

namespace rig::cmdline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Cmdline, IsTakenApartAtBlanksOutsideQuotes) {
  const auto line = parse_cmdline("  a=1\tb  dyndbg=\"file x.c +p\" \"c=d e\"\n");
  ASSERT_EQ(line.parameters.size(), 4u);
  EXPECT_EQ(line.parameters[0].name, "a");
  EXPECT_EQ(line.parameters[0].value, "1");
  EXPECT_EQ(line.parameters[1].name, "b");
  EXPECT_FALSE(line.parameters[1].value);
  EXPECT_EQ(line.parameters[2].value, "file x.c +p");
  EXPECT_EQ(line.parameters[2].text, "dyndbg=\"file x.c +p\"");
  EXPECT_EQ(line.parameters[3].name, "c");
  EXPECT_EQ(line.parameters[3].value, "d e");
}

TEST(Cmdline, AnEmptyValueIsNotNoValue) {
  EXPECT_EQ(parse_cmdline("a=").parameters[0].value, "");
}

TEST(Cmdline, WhatFollowsTwoDashesIsForInit) {
  const auto line = parse_cmdline("a -- b c=1");
  EXPECT_EQ(line.parameters.size(), 1u);
  EXPECT_THAT(line.for_init, ElementsAre("b", "c=1"));
}

TEST(Cmdline, UnfinishedQuoteAndNoTextAreHarmless) {
  EXPECT_THAT(parse_cmdline("").parameters, IsEmpty());
  EXPECT_THAT(parse_cmdline("   ").parameters, IsEmpty());
  EXPECT_EQ(parse_cmdline("a=\"b c").parameters[0].value, "b c");
  EXPECT_EQ(parse_cmdline("\"").parameters.size(), 1u);
}

TEST(Cmdline, DashesAndUnderscoresInNamesAreTheSame) {
  EXPECT_TRUE(same_name("no-kvmapf", "no_kvmapf"));
  EXPECT_FALSE(same_name("no-kvmapf", "no-kvmap"));
  EXPECT_FALSE(same_name("a", "A"));
}

TEST(Cmdline, ValuesAreReadAsTheKernelDoes) {
  EXPECT_EQ(parse_switch("Y"), true);
  EXPECT_EQ(parse_switch("off"), false);
  EXPECT_EQ(parse_switch("2"), std::nullopt);
  EXPECT_EQ(parse_integer("-1"), -1);
  EXPECT_EQ(parse_integer("0x10"), 16);
  EXPECT_EQ(parse_integer("18446744073709551615"), std::nullopt);
  EXPECT_EQ(parse_size("128M"), 128u << 20);
  EXPECT_EQ(parse_size("16k"), 16384u);
  EXPECT_EQ(parse_size("17179869184G"), std::nullopt);
  EXPECT_EQ(parse_size("M"), std::nullopt);
  EXPECT_EQ(parse_size(""), std::nullopt);
}

}  // namespace
}  // namespace rig::cmdline
