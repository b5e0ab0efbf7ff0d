// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/log_dates.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>

namespace rig::analyzer {

std::string log_with_dates(std::string_view log, double boot) {
  std::string text;
  while (!log.empty()) {
    const auto end = std::min(log.find('\n'), log.size() - 1) + 1;
    std::string_view line = log.substr(0, end);
    log.remove_prefix(end);
    const auto close = line.find(']');
    const auto begin = line.find_first_not_of(' ', 1);
    double seconds = 0;
    if (line.starts_with('[') && close != std::string_view::npos && begin < close) {
      const auto stop = line.data() + close;
      const auto parsed = std::from_chars(line.data() + begin, stop, seconds);
      if (parsed.ec == std::errc() && parsed.ptr == stop) {
        text += fmt::format("[{}", calendar_time(static_cast<std::uint64_t>(boot + seconds),
                                                 "%a %b %e %H:%M:%S %Y"));
        line.remove_prefix(close);
      }
    }
    text += line;
  }
  return text;
}

std::string calendar_time(std::uint64_t seconds, const char* format) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (!::gmtime_r(&time, &parts)) return fmt::format("{} s after 1970", seconds);
  char text[64];
  const auto size = std::strftime(text, sizeof text, format, &parts);
  return {text, size};
}

}  // namespace rig::analyzer
