// SPDX-License-Identifier: Apache-2.0
#include "base/text_table.h"

#include <algorithm>

#include "base/text.h"

namespace rig {
namespace {

// What is longer pushes the rest of its line aside, not that of all others.
constexpr std::size_t kMaxWidth = 64;

}  // namespace

TextTable::TextTable(std::initializer_list<std::string_view> columns) {
  for (const std::string_view each : columns) {
    columns_.push_back({std::string(each.substr(1)), each.starts_with('>')});
  }
}

void TextTable::row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& each : cells) each = printable(each);
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> TextTable::widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = columns_[i].name.size();
    for (const auto& cells : rows_) {
      widest = std::max(widest, std::min(cells[i].size(), kMaxWidth));
    }
    widths.push_back(widest);
  }
  return widths;
}

std::string TextTable::text(std::string_view indent, const Paint& paint) const {
  const std::vector<std::size_t> width = widths();
  std::string out;
  const auto line = [&](std::size_t row, const auto& cell) {
    out += indent;
    std::size_t last = columns_.size();  // of those that have something in them
    while (last > 0 && cell(last - 1).empty()) --last;
    for (std::size_t i = 0; i < last; ++i) {
      std::string text = cell(i);
      const std::string padding(width[i] - std::min(width[i], text.size()), ' ');
      text = columns_[i].right ? padding + text : i + 1 < last ? text + padding : text;
      if (i != 0) out += "  ";
      out += paint ? paint(row, i, text) : text;
    }
    out += '\n';
  };
  line(kHeader, [&](std::size_t i) { return columns_[i].name; });
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    line(r, [&](std::size_t i) { return rows_[r][i]; });
  }
  return out;
}

}  // namespace rig
