// SPDX-License-Identifier: Apache-2.0
#include "oops/report_fingerprint.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "oops/report_title.h"
#include "oops/skip_lists.h"

namespace rig::oops {
namespace {

constexpr std::size_t kMostFunctions = 4;

std::vector<std::string_view> split_functions(std::string_view fingerprint) {
  std::vector<std::string_view> functions;
  while (!fingerprint.empty()) {
    const std::size_t end = fingerprint.find('<');
    functions.push_back(fingerprint.substr(0, end));
    if (end == std::string_view::npos) break;
    fingerprint.remove_prefix(end + 1);
  }
  return functions;
}

// The length of the longest sequence that both hold in that order.
std::size_t common_length(const std::vector<std::string_view>& one,
                          const std::vector<std::string_view>& other) {
  std::vector<std::size_t> row(other.size() + 1, 0);
  for (const std::string_view function : one) {
    std::size_t diagonal = 0;
    for (std::size_t i = 0; i < other.size(); ++i) {
      const std::size_t above = row[i + 1];
      row[i + 1] = function == other[i] ? diagonal + 1 : std::max(above, row[i]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

std::string fingerprint(const Report& report) {
  std::string text;
  std::size_t count = 0;
  const auto add = [&](const std::string& function) {
    const std::string name = title_name(function);
    text += (count++ == 0 ? "" : "<") + name;
  };
  bool reached = report.function.empty();
  for (const Frame& frame : report.frames) {
    if (count == kMostFunctions) break;
    // What is above the guilty function is where the report was made, not the bug.
    if (!reached && readable_name(frame.function) == report.function) reached = true;
    if (!reached) continue;
    if (!frame.reliable || common_helpers().contains(frame.function)) continue;
    if (reporting_helpers().contains(frame.function)) continue;
    if (exception_entries().contains(frame.function)) continue;
    // Below a dispatcher every stack is the same.
    if (frame.function.starts_with("entry_")) break;
    if (count > 0 && dispatchers().contains(frame.function)) break;
    add(frame.function);
  }
  if (count == 0 && !report.function.empty()) add(report.function);
  return text;
}

bool stacks_agree(const std::string& one, const std::string& other) {
  if (one == other || one.empty() || other.empty()) return true;
  const auto a = split_functions(one);
  const auto b = split_functions(other);
  const std::size_t common = common_length(a, b);
  const std::size_t shorter = std::min(a.size(), b.size());
  // Both end where four functions are reached: each that is inlined in one shows one more there.
  return 2 * common >= shorter + 1 || common == shorter;
}

bool same_bug(const Report& one, const Report& other) {
  const auto titles = [](const Report& report) {
    std::vector<std::string_view> all(report.alt.begin(), report.alt.end());
    all.emplace_back(report.title);
    return all;
  };
  const auto mine = titles(one);
  const auto theirs = titles(other);
  const bool shared = std::ranges::any_of(mine, [&](std::string_view title) {
    return std::ranges::find(theirs, title) != theirs.end();
  });
  return shared && stacks_agree(one.fingerprint, other.fingerprint);
}

}  // namespace rig::oops
