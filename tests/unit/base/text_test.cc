// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/address.h"
#include "base/bytes.h"

namespace rig {
namespace {

TEST(Text, NumbersAreTakenWholeOrNotAtAll) {
  EXPECT_EQ(parse_u64("0x106"), 0x106u);
  EXPECT_EQ(parse_u64("262"), 262u);
  EXPECT_FALSE(parse_u64("262x"));
  EXPECT_FALSE(parse_u64(""));
  EXPECT_FALSE(parse_u64("-1"));
  EXPECT_FALSE(parse_u64("0x1ffffffffffffffff"));
}

TEST(Text, NothingPrintableSteersATerminal) {
  EXPECT_EQ(printable("a\tb\nc\x7f"), "a b c?");
  EXPECT_EQ(printable("\x1b[31mred"), " [31mred");
  EXPECT_EQ(printable("caf\xc3\xa9 \xe2\x82\xac"), "caf? ?");
  EXPECT_EQ(printable("\x9b[2J, \xc2\x9b[2J"), "?[2J, ?[2J");  // CSI as Latin-1 and as UTF-8
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a b");
}

TEST(Text, SuggestsTheNearestNameOrListsAll) {
  const std::vector<std::string> names = {"variants", "detectors", "expect"};
  EXPECT_EQ(nearest("varients", names), "variants");
  EXPECT_FALSE(nearest("qqqqqqq", names));
  EXPECT_EQ(suggest("qqqqqqq", names), "; valid: variants, detectors, expect");
}

TEST(Text, SizesAndTimesReadWell) {
  EXPECT_EQ(human_bytes(38'200'000), "38.2 MB");
  EXPECT_EQ(human_bytes(17), "17 B");
  EXPECT_EQ(human_seconds(0.274), "0.27 s");
  EXPECT_EQ(human_seconds(185), "3 min 05 s");
}

TEST(Bytes, NothingIsReadBeyondTheEnd) {
  const std::string text("\x06\x01\x00\x00zz\0q", 8);
  const ByteView bytes = as_bytes(text);
  EXPECT_EQ(load<std::uint32_t>(bytes), 0x106u);
  EXPECT_FALSE(load<std::uint64_t>(bytes, 1));
  EXPECT_FALSE(load<std::uint32_t>(bytes, ~std::uint64_t{0}));
  EXPECT_EQ(load_c_string(bytes, 4), "zz");
  EXPECT_FALSE(load_c_string(bytes, 7));
  ByteReader reader(bytes);
  EXPECT_TRUE(reader.take(8));
  EXPECT_FALSE(reader.next<std::uint8_t>());
}

TEST(Address, PrintsAsHex) {
  EXPECT_EQ(fmt::format("{}", VirtAddr{0xffff888003c0a000}), "0xffff888003c0a000");
  EXPECT_EQ(PhysAddr{0x2000} - PhysAddr{0x1000}, 0x1000u);
}

}  // namespace
TEST(Text, BytesAreShownInHexAndTheRestIsLeftOut) {
  const ByteView bytes = as_bytes(std::string_view("\x06\x01\x00\xff", 4));
  EXPECT_EQ(hex_digits(bytes), "060100ff");
  EXPECT_EQ(hex_bytes(bytes), "06 01 00 ff");
  EXPECT_EQ(hex_bytes(bytes, 4), "06 01 00 ff");
  EXPECT_EQ(hex_bytes(bytes, 2), "06 01 ...");
  EXPECT_EQ(hex_bytes({}), "");
}

TEST(Text, OffsetsAlwaysHaveASign) {
  EXPECT_EQ(signed_hex(0x2c8), "+0x2c8");
  EXPECT_EQ(signed_hex(0), "+0x0");
  EXPECT_EQ(signed_hex(-8), "-0x8");
  EXPECT_EQ(signed_hex(std::numeric_limits<std::int64_t>::min()), "-0x8000000000000000");
}

}  // namespace rig
