// SPDX-License-Identifier: Apache-2.0
#include "vm/guest_symbols.h"

#include <gmock/gmock.h>

namespace rig::vm {
namespace {

std::vector<std::string> names(std::string_view lines) {
  std::vector<std::string> all;
  for (const GuestFunction& each : parse_symbol_lines(lines)) all.push_back(each.name);
  return all;
}

TEST(GuestSymbols, FunctionsHaveTheirPlainNameAndAddress) {
  const auto functions = parse_symbol_lines(
      "ffffffff81a10b1d t slab_bug.isra.0\n"
      "ffffffffc0012340 T lc_refuse\t[late_completion]\n");
  ASSERT_EQ(functions.size(), 2u);
  EXPECT_EQ(functions[0].name, "slab_bug");
  EXPECT_EQ(functions[0].address, VirtAddr{0xffffffff81a10b1d});
  EXPECT_EQ(functions[1].name, "lc_refuse");
}

TEST(GuestSymbols, CopiesOfAFunctionCountAndPiecesDoNot) {
  EXPECT_THAT(
      names("1 t panic.constprop.1.isra.0\n2 t panic.part.0\n3 t panic.cold\n4 t panic.x\n"),
      testing::ElementsAre("panic", "panic"));
}

TEST(GuestSymbols, DataHiddenAddressesAndNonsenseAreLeftOut) {
  EXPECT_THAT(names("ffff D panic\n0000000000000000 T panic\nxyz T panic\n1 T\n1 T a b\n\n "
                    "1ffffffffffffffff T panic\n1 TT panic\n1 T .isra.0\nlast"),
              testing::IsEmpty());
}

}  // namespace
}  // namespace rig::vm
