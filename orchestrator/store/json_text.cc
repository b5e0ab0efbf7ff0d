// SPDX-License-Identifier: Apache-2.0
#include "store/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

namespace rig::store {

namespace {

namespace json = boost::json;

void print(const json::value& value, std::size_t indent, std::string& out);

std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  return fmt::format("{}", std::round(value * 1000) / 1000);
}

// Lists of plain values and small maps stay on one line.
bool is_flat(const json::value& value) {
  const auto is_plain = [](const json::value& each) { return !each.is_structured(); };
  if (value.is_array()) {
    const auto& items = value.get_array();
    return std::all_of(items.begin(), items.end(), is_plain);
  }
  const auto& object = value.get_object();
  return object.size() <= 5 && std::all_of(object.begin(), object.end(), [&](const auto& pair) {
           return is_plain(pair.value()) &&
                  (!pair.value().is_string() || pair.value().get_string().size() < 24);
         });
}

template <typename Container, typename PrintItem>
void print_items(const Container& items, char open, char close, bool flat, std::size_t indent,
                 std::string& out, const PrintItem& print_item) {
  out += open;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += flat ? ", " : ",";
    if (!flat) out += fmt::format("\n{:{}}", "", indent + 2);
    print_item(item);
    first = false;
  }
  if (!flat) out += fmt::format("\n{:{}}", "", indent);
  out += close;
}

void print(const json::value& value, std::size_t indent, std::string& out) {
  if (value.is_double()) {
    out += number(value.get_double());
  } else if (value.is_array()) {
    print_items(value.get_array(), '[', ']', is_flat(value), indent, out,
                [&](const json::value& item) { print(item, indent + 2, out); });
  } else if (value.is_object()) {
    print_items(value.get_object(), '{', '}', is_flat(value), indent, out, [&](const auto& pair) {
      out += fmt::format("{}: ", json::serialize(json::string(pair.key())));
      print(pair.value(), indent + 2, out);
    });
  } else {
    out += json::serialize(value);
  }
}

// The length of the UTF-8 sequence that `text` starts with; 0 when it is none (RFC 3629).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool surrogate = lead == 0xed && second >= 0xa0;
  const bool too_large = lead == 0xf4 && second >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

}  // namespace

std::string pretty(const boost::json::value& value) {
  std::string out;
  print(value, 0, out);
  out += '\n';
  return out;
}

std::string to_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace rig::store
