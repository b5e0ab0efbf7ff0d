// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using fake::KernelCore;
using testing::HasSubstr;

TEST(InspectVtop, EveryEntryOnTheWayIsShownWithItsFlags) {
  const std::string text = KernelCore().text("vtop sample");
  EXPECT_THAT(text, HasSubstr("ffffffff81800100  1800100\n"));
  EXPECT_THAT(text, HasSubstr("   PGD: 3000ff8 => 3001063  (PRESENT RW ACCESSED DIRTY)\n"));
  EXPECT_THAT(text, HasSubstr("   PUD: 3001ff0 => 3002063"));
  EXPECT_THAT(text, HasSubstr("   PMD: 3002060 => 18000e3  (PRESENT RW ACCESSED DIRTY PSE)\n"));
  EXPECT_THAT(text, HasSubstr("  PAGE: 1800000  (2 MiB)\n"));
}

TEST(InspectVtop, AWalkThatEndsShowsWhere) {
  const std::string text = KernelCore().text("vtop 0xffffffffc0000000");
  EXPECT_THAT(text, HasSubstr("(not mapped)"));
  EXPECT_THAT(text, HasSubstr("   PUD: 3001ff8 => 0\n"));
  EXPECT_THAT(KernelCore().json("vtop 0xffffffffc0000000"), HasSubstr(R"("why":"not mapped)"));
}

TEST(InspectVtop, AnAddressThatIsNotCanonicalHasNoWalk) {
  EXPECT_THAT(KernelCore().text("vtop 0x1234567812345678"), testing::Not(HasSubstr("PGD")));
}

TEST(InspectVtop, AUserAddressIsNotSaidToBeUnmapped) {
  EXPECT_THAT(KernelCore().text("vtop 0x401000"), HasSubstr("a user address"));
  EXPECT_THAT(KernelCore().text("vtop 0x401000"), testing::Not(HasSubstr("(not mapped)")));
}

TEST(InspectVtop, WithoutADirectMapAPhysicalAddressHasNoVirtualOne) {
  EXPECT_THAT(KernelCore().text("vtop -p 0x1800100"), HasSubstr("(not mapped)"));
}

}  // namespace
}  // namespace rig::analyzer
