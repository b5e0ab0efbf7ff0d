// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/symbol_filter.h"

#include <gtest/gtest.h>

namespace rig::guest {
namespace {

constexpr std::string_view kSymbols =
    "ffffffff81000000 T _text\n"
    "ffffffff81a01cb0 T panic\n"
    "ffffffff81a01cb1 T panic_on_this\n"
    "ffffffff81a10b1d t slab_bug.isra.0\n"
    "no line\n"
    "ffffffffc0012340 t die\t[module]\n";

TEST(SymbolFilter, LinesOfTheNamesAreKeptWhateverThePieces) {
  for (const std::size_t piece : {1u, 7u, 64u, 4096u}) {
    SymbolFilter filter({"panic", "slab_bug", "die", "absent"}, 4096);
    for (std::size_t at = 0; at < kSymbols.size(); at += piece) {
      EXPECT_TRUE(filter.feed(kSymbols.substr(at, piece)));
    }
    EXPECT_EQ(filter.lines(),
              "ffffffff81a01cb0 T panic\nffffffff81a10b1d t slab_bug.isra.0\n"
              "ffffffffc0012340 t die\t[module]\n");
  }
}

TEST(SymbolFilter, MoreThanTheLimitIsRefusedAndNothingIsCutInTwo) {
  SymbolFilter filter({"panic", "die"}, 40);
  EXPECT_FALSE(filter.feed(kSymbols));
  EXPECT_EQ(filter.lines(), "ffffffff81a01cb0 T panic\n");
}

TEST(SymbolFilter, LineWithoutEndStaysBounded) {
  SymbolFilter filter({"x"}, 4096);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(filter.feed(std::string(1000, 'x')));
  EXPECT_TRUE(filter.feed("\nffffffff81000000 T x\n"));
  EXPECT_EQ(filter.lines(), "ffffffff81000000 T x\n");
}

}  // namespace
}  // namespace rig::guest
