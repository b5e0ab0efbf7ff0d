// SPDX-License-Identifier: Apache-2.0
#include "crash/report_sense.h"

namespace rig::crash {

bool ReportSense::is_kernels(std::string_view line) {
  const bool stamped = oops::has_kernel_stamp(line);
  kernel_stamps_lines_ = kernel_stamps_lines_ || stamped;
  return stamped || !kernel_stamps_lines_;
}

ReportSense::Line ReportSense::look(std::string_view line) {
  if (!is_kernels(line)) return {};
  return {true, oops::starts_report(line)};
}

std::string kernels_lines(std::string_view console, const KernelLog& log) {
  std::string text;
  text.reserve(console.size());
  ReportSense sense;
  while (!console.empty()) {
    const std::size_t end = console.find('\n');
    const std::string_view line = console.substr(0, end);
    if (sense.is_kernels(line) && !log.denies(line)) text += line;
    if (end == std::string_view::npos) break;
    text += '\n';
    console.remove_prefix(end + 1);
  }
  return text;
}

}  // namespace rig::crash
