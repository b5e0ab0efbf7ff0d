// SPDX-License-Identifier: Apache-2.0
#include "base/text_table.h"

#include <gtest/gtest.h>

namespace rig {
namespace {

TEST(TextTable, ColumnsAreAsWideAsWhatIsInThemAndSteerNoTerminal) {
  TextTable table({">PID", "<COMM"});
  table.row({"1", "a\x1b[2Jb"});
  table.row({"12345", "c"});
  EXPECT_EQ(table.text(), "  PID  COMM\n    1  a [2Jb\n12345  c\n");
}

TEST(TextTable, RowThatEndsEarlyHasNoSpacesAtItsEnd) {
  TextTable table({"<CELL", "<WHY"});
  table.row({"a"});
  EXPECT_EQ(table.text("  "), "  CELL  WHY\n  a\n");
}

TEST(TextTable, PaintCoversTheWidthOfTheColumn) {
  TextTable table({"<CELL", ">BOOT"});
  table.row({"a", "1 s"});
  const auto text =
      table.text("", [](std::size_t row, std::size_t column, const std::string& cell) {
        return row == TextTable::kHeader || column == 1 ? "<" + cell + ">" : cell;
      });
  EXPECT_EQ(text, "<CELL>  <BOOT>\na     < 1 s>\n");
}

TEST(TextTable, WhatIsVeryLongPushesOnlyItsOwnLineAside) {
  TextTable table({"<CELL", ">BOOT"});
  table.row({std::string(70, 'x'), "1"});
  table.row({"a", "2"});
  EXPECT_EQ(table.text(), "CELL" + std::string(60, ' ') + "  BOOT\n" + std::string(70, 'x') +
                              "     1\na" + std::string(63, ' ') + "     2\n");
}

}  // namespace
}  // namespace rig
