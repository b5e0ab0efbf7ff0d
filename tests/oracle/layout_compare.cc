// SPDX-License-Identifier: Apache-2.0
#include "oracle/layout_compare.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/text.h"
#include "oracle/sides.h"

namespace rig::oracle {
namespace {

struct Line {
  std::string offset;  // empty where it is not printed
  std::string text;
};

// BTF cannot tell x[] from x[0], and keeps a[2][3] as a[6]: all dimensions become their product.
std::string one_dimension(std::string text) {
  const auto begin = text.find('[');
  if (begin == std::string::npos) return text;
  std::uint64_t product = 1;
  auto at = begin;
  while (at < text.size() && text[at] == '[') {
    const auto end = text.find(']', at);
    if (end == std::string::npos) return text;
    product *= parse_u64(text.substr(at + 1, end - at - 1)).value_or(0);
    at = end + 1;
  }
  return fmt::format("{}[{}]{}", text.substr(0, begin), product, text.substr(at));
}

// crash spells the constants of an enum without a name.
std::string short_enum(std::string text) {
  const auto begin = text.find("enum {");
  const auto end = text.find('}', begin == std::string::npos ? 0 : begin);
  if (begin == std::string::npos || end == std::string::npos) return text;
  return text.substr(0, begin) + "enum {...}" + text.substr(end + 1);
}

std::string (*const kSpellings[])(std::string) = {one_dimension, short_enum};

std::vector<Line> normal(std::string_view text) {
  std::vector<Line> found;
  for (const std::string& line : lines(text)) {
    std::vector<std::string> parts = words(line);
    // Only crash says so of an empty struct.
    if (parts.empty() || parts[0] == "<no") continue;
    Line each;
    if (parts[0].starts_with("[0x")) {
      each.offset = parts[0];
      parts.erase(parts.begin());
    }
    each.text = fmt::format("{}", fmt::join(parts, " "));
    for (const auto spelling : kSpellings) each.text = spelling(each.text);
    found.push_back(each);
  }
  return found;
}

}  // namespace

LayoutComparison compare_layouts(std::string_view ours, std::string_view theirs) {
  const std::vector<Line> a = normal(ours);
  const std::vector<Line> b = normal(theirs);
  LayoutComparison result;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const Line left = i < a.size() ? a[i] : Line{};
    const Line right = i < b.size() ? b[i] : Line{};
    // Inside a nested struct with a name crash prints no offsets, but one at its end.
    const bool both = !left.offset.empty() && !right.offset.empty();
    if (both) ++result.offsets;
    if (left.text == right.text && (!both || left.offset == right.offset)) continue;
    result.differences.push_back({left.offset + " " + left.text, right.offset + " " + right.text});
  }
  return result;
}

}  // namespace rig::oracle
