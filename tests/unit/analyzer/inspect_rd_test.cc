// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using fake::KernelCore;
using testing::HasSubstr;

TEST(InspectRd, WordsOfEverySizeWithTheirCharacters) {
  KernelCore core;
  core.memory.put_text(KernelCore::kSample, "Linux version 6.1");
  EXPECT_EQ(core.text("rd sample 2"),
            "ffffffff81800100:  65762078756e694c 2e36206e6f697372   Linux version 6.\n");
  EXPECT_EQ(core.text("rd -32 sample"),
            "ffffffff81800100:  756e694c                              Linu\n");
  EXPECT_EQ(core.text("rd -8 sample 3"),
            "ffffffff81800100:  4c 69 6e                                          Lin\n");
  EXPECT_EQ(core.text("rd -a sample 5"), "ffffffff81800100:  Linux\n");
}

TEST(InspectRd, AStringWithoutACountEndsWhereItEnds) {
  KernelCore core;
  core.memory.put_text(KernelCore::kSample, "Linux version 6.1 and what follows");
  core.put(KernelCore::kSample + 17, std::uint8_t{0});
  EXPECT_EQ(core.text("rd -a sample"),
            "ffffffff81800100:  Linux version 6.\nffffffff81800110:  1\n");
  EXPECT_THAT(core.text("rd -a sample 20"), HasSubstr("ffffffff81800110:  1.an"));
}

TEST(InspectRd, AnEndCountsTheWords) {
  const std::string text = KernelCore().text("rd sample -e sample+0x20");
  EXPECT_THAT(text, HasSubstr("ffffffff81800110:"));
  EXPECT_THAT(text, testing::Not(HasSubstr("ffffffff81800120:")));
  EXPECT_THAT(KernelCore().text("rd sample -e sample"), HasSubstr("usage: rd"));
}

TEST(InspectRd, PointersAreNamed) {
  KernelCore core;
  core.put(KernelCore::kSample, KernelCore::kText + 0x44);
  core.put(KernelCore::kSample + 8, std::uint64_t{12});
  EXPECT_EQ(core.text("rd -S sample 2"),
            "ffffffff81800100:  ffffffff81000044  first+0x4\n"
            "ffffffff81800108:  000000000000000c\n");
  EXPECT_THAT(core.text("rd -s sample 2"), HasSubstr("first+0x4"));
}

TEST(InspectRd, WordsThatAreNotThereAreLeftOutAndCounted) {
  KernelCore core;
  core.put(KernelCore::kHole - 16, std::uint64_t{1});
  core.put(KernelCore::kHole + 0x1000, std::uint64_t{2});
  const auto begin = KernelCore::kHole - 16;
  const std::string text = core.text(fmt::format("rd {:x} 516", begin));
  EXPECT_THAT(text, HasSubstr("ffffffff818ffff0:  0000000000000001"));
  EXPECT_THAT(text, HasSubstr("ffffffff81900000:  <page excluded at 0xffffffff81900000>, 512 words "
                              "left out\n"));
  EXPECT_THAT(text, HasSubstr("ffffffff81901000:  0000000000000002"));
  EXPECT_THAT(core.json(fmt::format("rd {:x} 4", begin)), HasSubstr(R"("why":"excluded)"));
}

TEST(InspectRd, AUserAddressIsSaidToBeOne) {
  const std::string text = KernelCore().text("rd 0x43d0b0");
  EXPECT_THAT(text, HasSubstr("43d0b0:  <not mapped at 0x43d0b0>, 1 word left out\n"));
  EXPECT_THAT(text, HasSubstr("note: 0x43d0b0 is a user address, which means another place in "));
  EXPECT_THAT(KernelCore().json("rd 0x43d0b0"), HasSubstr("is a user address"));
  EXPECT_THAT(KernelCore().text("rd 0xffffffff90000000"), testing::Not(HasSubstr("user")));
}

TEST(InspectRd, PhysicalAddressesAreReadAsSuch) {
  KernelCore core;
  core.put(KernelCore::kSample, std::uint64_t{0x1234});
  EXPECT_THAT(core.text("rd -p 0x1800100"), HasSubstr("1800100:  0000000000001234"));
}

TEST(InspectRd, ACountThatCannotBeMeantIsRefused) {
  EXPECT_THAT(KernelCore().text("rd sample 0"), HasSubstr("usage: rd"));
  EXPECT_THAT(KernelCore().text("rd sample 99999999"), HasSubstr("too many"));
  EXPECT_THAT(KernelCore().text("rd sample x"), HasSubstr("no number"));
}

}  // namespace
}  // namespace rig::analyzer
