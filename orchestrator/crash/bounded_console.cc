// SPDX-License-Identifier: Apache-2.0
#include "crash/bounded_console.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"

namespace rig::crash {
namespace {

void append_gap(std::string& text, std::uint64_t bytes) {
  if (bytes == 0) return;
  text += fmt::format("[crashrig: {} of console output left out here]\n", human_bytes(bytes));
}

}  // namespace

void BoundedConsole::add_line(std::string_view line) {
  // One endless line must not outgrow the bounds either.
  if (line.size() > limits_.tail / 2) {
    gap_before_tail_ += line.size() - limits_.tail / 2;
    line = line.substr(0, limits_.tail / 2);
  }
  if (report_marked_ && !report_full_ && report_.size() + line.size() < limits_.report) {
    report_.append(line).push_back('\n');
    return;
  }
  report_full_ = report_marked_;
  if (!report_marked_ && !head_full_ && head_.size() + line.size() < limits_.head) {
    head_.append(line).push_back('\n');
    return;
  }
  head_full_ = true;
  tail_.append(line).push_back('\n');
  if (tail_.size() > 2 * limits_.tail) trim_tail(limits_.tail, gap_before_tail_);
}

void BoundedConsole::trim_tail(std::size_t keep, std::uint64_t& gap) {
  if (tail_.size() <= keep) return;
  const std::size_t line_end = tail_.find('\n', tail_.size() - keep);
  const std::size_t cut = line_end == std::string::npos ? tail_.size() : line_end + 1;
  gap += cut;
  tail_.erase(0, cut);
}

void BoundedConsole::mark_report() {
  if (report_marked_) return;
  report_marked_ = true;
  trim_tail(kContext, gap_before_tail_);
  gap_before_report_ = std::exchange(gap_before_tail_, 0);
  report_ = std::exchange(tail_, {});
}

std::string BoundedConsole::text() const {
  std::string text = head_;
  append_gap(text, gap_before_report_);
  text += report_;
  append_gap(text, gap_before_tail_);
  return text + tail_;
}

}  // namespace rig::crash
