// SPDX-License-Identifier: Apache-2.0
#include "cmdline/kernel_log.h"

#include "base/text.h"
#include "cmdline/parameter.h"

namespace rig::cmdline {
namespace {

constexpr std::size_t kLongestQuote = 200;

// Takes "<6>" and "[    0.123456] " off a line.
std::string_view without_stamp(std::string_view line) {
  const auto drop = [&](char open, char close) {
    if (!line.starts_with(open)) return;
    const std::size_t end = line.find(close);
    if (end != std::string_view::npos) line.remove_prefix(end + 1);
    while (line.starts_with(' ')) line.remove_prefix(1);
  };
  drop('<', '>');
  drop('[', ']');
  return trim(line);
}

std::optional<std::string_view> find_raw(std::string_view log, std::string_view text) {
  const std::size_t at = log.find(text);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t begin = at == 0 ? 0 : log.rfind('\n', at - 1) + 1;  // npos + 1 is 0
  return without_stamp(log.substr(begin, log.find('\n', at) - begin));
}

}  // namespace

std::optional<std::string> find_line(std::string_view log, std::string_view text) {
  const auto line = find_raw(log, text);
  if (!line) return std::nullopt;
  return line->size() <= kLongestQuote ? std::string(*line)
                                       : std::string(line->substr(0, kLongestQuote - 3)) + "...";
}

std::string log_says(const std::string& line) {
  return "the log: " + printable(line);
}

std::vector<std::string> unknown_parameters(std::string_view log) {
  const auto line = find_raw(log, "Unknown kernel command line parameters \"");
  if (!line) return {};
  std::string_view list = line->substr(line->find('"') + 1);
  list = list.substr(0, list.rfind('"'));  // a line that was cut off has none
  return split(list, ' ');
}

std::optional<std::string> find_refusal(std::string_view log, std::string_view name) {
  for (const std::string_view text :
       {"Malformed early option '", "invalid for parameter `", "too large for parameter `"}) {
    std::string_view rest = log;
    for (std::size_t at = rest.find(text); at != std::string_view::npos; at = rest.find(text)) {
      rest.remove_prefix(at + text.size());
      const std::string_view named = rest.substr(0, rest.find_first_of("'\n"));
      if (same_name(named, name)) return find_line(log, std::string(text) + std::string(named));
    }
  }
  return std::nullopt;
}

}  // namespace rig::cmdline
