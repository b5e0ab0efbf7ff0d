// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/text_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace rig::analyzer {
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

std::string TextTable::line(const std::vector<std::string>& cells,
                            const std::vector<std::size_t>& widths, std::string_view indent) const {
  std::string text(indent);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (i != 0) text += "  ";
    const std::string padding(widths[i] - std::min(widths[i], cells[i].size()), ' ');
    text += columns_[i].right ? padding + cells[i] : cells[i] + padding;
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text + '\n';
}

std::string TextTable::text(std::string_view indent) const {
  std::vector<std::string> names;
  std::vector<std::size_t> widths;
  for (const Column& each : columns_) {
    names.push_back(each.name);
    widths.push_back(each.name.size());
  }
  for (const auto& cells : rows_) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], std::min(cells[i].size(), kMaxWidth));
    }
  }
  std::string out = line(names, widths, indent);
  for (const auto& cells : rows_) out += line(cells, widths, indent);
  return out;
}

}  // namespace rig::analyzer
