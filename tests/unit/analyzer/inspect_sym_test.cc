// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "analyzer/inspect/place.h"
#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using fake::KernelCore;
using testing::HasSubstr;

TEST(InspectNumber, OnlyWhatIsClearlyHexadecimalIsTakenAsSuch) {
  EXPECT_EQ(parse_number("0x1f"), 0x1fu);
  EXPECT_EQ(parse_number("42"), 42u);
  EXPECT_EQ(parse_number("ffffffff81000000"), 0xffff'ffff'8100'0000u);
  EXPECT_EQ(parse_number("8000000000000000"), 0x8000'0000'0000'0000u);
  EXPECT_EQ(parse_number("1f"), 0x1fu);
  EXPECT_EQ(parse_number("0x12345678123456789"), std::nullopt);
  EXPECT_EQ(parse_number("12345678123456789a"), std::nullopt);
  EXPECT_EQ(parse_number("init"), std::nullopt);
  EXPECT_EQ(parse_number(""), std::nullopt);
}

TEST(InspectSym, NamesAndAddressesGoBothWays) {
  KernelCore core;
  EXPECT_EQ(core.text("sym first"), "ffffffff81000040 (T) first\n");
  EXPECT_EQ(core.text("sym ffffffff81000044"), "ffffffff81000044 (T) first+4\n");
  EXPECT_EQ(core.text("sym first+4 second-0x1c"),
            "ffffffff81000044 (T) first+4\nffffffff81000044 (T) first+4\n");
}

TEST(InspectSym, EverySymbolOfOneNameIsShown) {
  EXPECT_EQ(KernelCore().text("sym twin"),
            "ffffffff81000080 (t) twin\nffffffff810000a0 (t) twin\n");
}

TEST(InspectSym, NeighboursComeByAddress) {
  EXPECT_EQ(KernelCore().text("sym -p -n second"),
            "ffffffff81000040 (T) first\nffffffff81000060 (t) second\n"
            "ffffffff81000080 (t) twin\n");
}

TEST(InspectSym, APartOfANameFindsAllThatHaveIt) {
  EXPECT_THAT(KernelCore().text("sym -q per_cpu"), HasSubstr("(D) __per_cpu_offset"));
  EXPECT_THAT(KernelCore().text("sym -q nowhere"), HasSubstr("ERROR"));
}

TEST(InspectSym, WhatIsNoSymbolIsSaidSo) {
  EXPECT_THAT(KernelCore().text("sym frist"), HasSubstr("did you mean 'first'"));
  EXPECT_THAT(KernelCore().text("sym 0xffff888000000000"), HasSubstr("neither the kernel's image"));
  EXPECT_THAT(KernelCore().text("sym"), HasSubstr("usage: sym"));
}

TEST(InspectSym, OneOfSeveralThatIsNotThereDoesNotHideTheOthers) {
  const std::string text = fake::KernelCore().text("sym first nosuchname second");
  EXPECT_THAT(text, testing::HasSubstr("ffffffff81000040 (T) first\n"));
  EXPECT_THAT(text, testing::HasSubstr("nosuchname: no symbol 'nosuchname'"));
  EXPECT_THAT(text, testing::HasSubstr("ffffffff81000060 (t) second\n"));
}

TEST(InspectQuestions, EveryOneSaysItsUsage) {
  for (const Question& each : all_questions()) {
    EXPECT_THAT(fake::KernelCore().text(std::string(each.name) + " --help"),
                testing::StartsWith(fmt::format("usage: {}", each.name)));
  }
}

}  // namespace
}  // namespace rig::analyzer
