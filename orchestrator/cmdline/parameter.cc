// SPDX-License-Identifier: Apache-2.0
#include "cmdline/parameter.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace rig::cmdline {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n';
}

// Takes the next word with its quotes off `text`; empty at the end.
std::string_view take_word(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  bool quoted = false;
  std::size_t end = 0;
  for (; end < text.size() && (quoted || !is_blank(text[end])); ++end) {
    if (text[end] == '"') quoted = !quoted;
  }
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// Quotes around the whole word or around its value.
std::string_view without_quotes(std::string_view text) {
  if (text.starts_with('"')) text.remove_prefix(1);
  if (text.ends_with('"')) text.remove_suffix(1);
  return text;
}

Parameter parse_word(std::string_view word) {
  Parameter parameter;
  parameter.text = word;
  const std::string_view plain = word.starts_with('"') ? without_quotes(word) : word;
  const std::size_t equals = plain.find('=');
  parameter.name = plain.substr(0, equals);
  if (equals != std::string_view::npos) {
    parameter.value = std::string(without_quotes(plain.substr(equals + 1)));
  }
  return parameter;
}

char plain(char c) {
  return c == '-' ? '_' : c;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

CommandLine parse_cmdline(std::string_view text) {
  CommandLine line;
  bool for_init = false;
  for (auto word = take_word(text); !word.empty(); word = take_word(text)) {
    if (for_init) {
      line.for_init.emplace_back(word);
    } else if (word == "--") {
      for_init = true;
    } else {
      line.parameters.push_back(parse_word(word));
    }
  }
  return line;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return plain(x) == plain(y); });
}

std::optional<bool> parse_switch(std::string_view text) {
  std::string word(text);
  std::transform(word.begin(), word.end(), word.begin(), lower);
  for (const std::string_view yes : {"1", "y", "yes", "on", "true"}) {
    if (word == yes) return true;
  }
  for (const std::string_view no : {"0", "n", "no", "off", "false"}) {
    if (word == no) return false;
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  const auto size = parse_u64(negative ? text.substr(1) : text);
  if (!size || *size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  const auto value = static_cast<std::int64_t>(*size);
  return negative ? -value : value;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kUnits = "kmgt";
  unsigned shift = 0;
  if (!text.empty()) {
    const std::size_t unit = kUnits.find(lower(text.back()));
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<unsigned>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  const auto number = parse_u64(text);
  if (!number || *number > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return *number << shift;
}

}  // namespace rig::cmdline
