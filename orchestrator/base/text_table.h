// SPDX-License-Identifier: Apache-2.0
// Columns for people. A cell holds any text, also of a guest: it is made printable here.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace rig {

class TextTable {
 public:
  // What a cell looks like on a terminal: called with its text, as wide as its column. `row`: that
  // of row()'s call, from 0 on; kHeader for the header.
  static constexpr std::size_t kHeader = ~std::size_t{0};
  using Paint =
      std::function<std::string(std::size_t row, std::size_t column, const std::string& text)>;

  // "<NAME" is aligned to the left, ">SIZE" to the right.
  explicit TextTable(std::initializer_list<std::string_view> columns);

  void row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // Each line begins with `indent` and ends with a newline; the header comes first.
  std::string text(std::string_view indent = "", const Paint& paint = {}) const;

 private:
  struct Column {
    std::string name;
    bool right = false;
  };
  std::vector<std::size_t> widths() const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace rig
