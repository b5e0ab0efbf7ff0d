// SPDX-License-Identifier: Apache-2.0
#include "crash/kernel_log.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "oops/report.h"

namespace rig::crash {
namespace {

// "12.345678" in microseconds: printk's stamps have six digits behind the point.
std::optional<std::uint64_t> moment(std::string_view line) {
  const std::string_view stamp = oops::kernel_stamp(line);
  const std::size_t point = stamp.find('.');
  if (point == std::string_view::npos || stamp.size() - point != 7) return std::nullopt;
  std::uint64_t seconds = 0, micros = 0;
  std::from_chars(stamp.data(), stamp.data() + point, seconds);
  std::from_chars(stamp.data() + point + 1, stamp.data() + stamp.size(), micros);
  return seconds * 1'000'000 + micros;
}

}  // namespace

KernelLog::KernelLog(std::string_view text, bool whole) : whole_(whole) {
  first_ = std::numeric_limits<std::uint64_t>::max();
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    if (const auto at = moment(text.substr(0, end))) {
      moments_.insert(*at);
      first_ = std::min(first_, *at);
      last_ = std::max(last_, *at);
    }
    text.remove_prefix(end + 1);
  }
}

bool KernelLog::denies(std::string_view line) const {
  if (moments_.empty()) return false;
  const auto at = moment(line);
  if (!at || *at < first_ || (*at > last_ && !whole_)) return false;
  return !moments_.contains(*at);
}

}  // namespace rig::crash
