// SPDX-License-Identifier: Apache-2.0
// Any text as a console log: read whole and line by line, which must find the same.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "oops/report.h"
#include "publish/oops_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view log(reinterpret_cast<const char*>(data), size);
  rig::oops::ReportStream whole, lines;
  whole.feed(log);
  for (std::string_view rest = log; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    lines.feed(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  const auto reports = whole.finish();
  const auto again = lines.finish();
  if (reports.size() != again.size()) __builtin_trap();
  for (std::size_t i = 0; i < reports.size(); ++i) {
    if (reports[i].title != again[i].title) __builtin_trap();
    if (reports[i].last_line < reports[i].first_line) __builtin_trap();
    (void)rig::publish::oops_json("-", &reports[i]);
    (void)rig::publish::oops_text("-", &reports[i], reports);
    (void)rig::oops::same_bug(reports[0], reports[i]);
  }
  return 0;
}
