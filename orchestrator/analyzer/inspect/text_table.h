// SPDX-License-Identifier: Apache-2.0
// Columns for people. A cell holds any text of the guest: it is made printable here.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

namespace rig::analyzer {

class TextTable {
 public:
  // "<NAME" is aligned to the left, ">SIZE" to the right.
  explicit TextTable(std::initializer_list<std::string_view> columns);

  void row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // Each line begins with `indent` and ends with a newline; the header comes first.
  std::string text(std::string_view indent = "") const;

 private:
  struct Column {
    std::string name;
    bool right = false;
  };
  std::string line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
                   std::string_view indent) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace rig::analyzer
