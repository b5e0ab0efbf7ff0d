// SPDX-License-Identifier: Apache-2.0
#include "vm/guest_symbols.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace rig::vm {
namespace {

// The name without what the compiler adds to a copy of the whole function; nothing for a piece.
std::optional<std::string_view> plain_name(std::string_view name) {
  const auto dot = name.find('.');
  if (dot == std::string_view::npos) return name;
  for (const auto& part : split(name.substr(dot + 1), '.')) {
    const bool number = part.find_first_not_of("0123456789") == std::string_view::npos;
    if (!number && part != "isra" && part != "constprop" && part != "part") return std::nullopt;
  }
  return name.substr(0, dot);
}

std::optional<GuestFunction> parse_line(std::string_view line) {
  constexpr std::string_view kText = "tTwW";
  const auto fields = split(line.substr(0, line.find('\t')), ' ');
  if (fields.size() != 3 || fields[1].size() != 1) return std::nullopt;
  if (kText.find(fields[1][0]) == std::string_view::npos) return std::nullopt;
  std::uint64_t address = 0;
  const char* end = fields[0].data() + fields[0].size();
  const auto [at, error] = std::from_chars(fields[0].data(), end, address, 16);
  if (error != std::errc{} || at != end || address == 0) return std::nullopt;
  const auto name = plain_name(fields[2]);
  if (!name || name->empty()) return std::nullopt;
  return GuestFunction{.name = std::string(*name), .address = VirtAddr{address}};
}

}  // namespace

std::vector<GuestFunction> parse_symbol_lines(std::string_view lines) {
  std::vector<GuestFunction> functions;
  for (const auto& line : split(lines, '\n')) {
    if (auto function = parse_line(line)) functions.push_back(*std::move(function));
  }
  return functions;
}

}  // namespace rig::vm
