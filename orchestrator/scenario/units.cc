// SPDX-License-Identifier: Apache-2.0
#include "scenario/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace rig::scenario {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr Unit kByteUnits[] = {{"", 1}, {"K", 1u << 10}, {"M", 1u << 20}, {"G", 1u << 30}};
constexpr Unit kTimeUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

template <std::size_t N>
std::optional<std::uint64_t> parse_with_unit(std::string_view text, const Unit (&units)[N]) {
  const auto* const end = std::find_if_not(text.begin(), text.end(), is_digit);
  const std::string_view digits(text.begin(), end), rest(end, text.end());
  const auto number = parse_u64(digits);
  if (!number) return std::nullopt;
  for (const Unit& unit : units) {
    if (rest != unit.name) continue;
    constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
    if (*number > kMax / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  return parse_with_unit(text, kByteUnits);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto value = parse_with_unit(text, kTimeUnits);
  if (!value) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*value));
}

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  if (!is_digit(text.front()) && !is_letter(text.front())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || is_letter(c) || c == '.' || c == '_' || c == '-';
  });
}

std::string shown(std::string_view text) {
  constexpr std::size_t kMax = 60;
  std::string cut(text.substr(0, kMax));
  std::replace_if(
      cut.begin(), cut.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return fmt::format("'{}{}'", cut, text.size() > kMax ? "..." : "");
}

}  // namespace rig::scenario
