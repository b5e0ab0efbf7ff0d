// SPDX-License-Identifier: Apache-2.0
// A console's text in bounded memory: its beginning, what surrounds the first report, its end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rig::crash {

struct ConsoleLimits {
  std::size_t head = 4 << 20;    // bytes kept of the beginning
  std::size_t report = 1 << 20;  // and from the first report on
  std::size_t tail = 4 << 20;    // and of the end
};

class BoundedConsole {
 public:
  explicit BoundedConsole(ConsoleLimits limits = {}) : limits_(limits) {}

  void add_line(std::string_view line);
  // The next line begins a report: it and what follows must not get lost in a flood. Once.
  void mark_report();

  // The kept text; where something is missing a line of its own says how much.
  std::string text() const;

 private:
  static constexpr std::size_t kContext = 16 << 10;  // kept in front of the report

  void trim_tail(std::size_t keep, std::uint64_t& gap);

  ConsoleLimits limits_;
  std::string head_, report_, tail_;
  bool head_full_ = false, report_marked_ = false, report_full_ = false;
  std::uint64_t gap_before_report_ = 0, gap_before_tail_ = 0;
};

}  // namespace rig::crash
