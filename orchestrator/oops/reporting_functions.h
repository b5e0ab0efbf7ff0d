// SPDX-License-Identifier: Apache-2.0
// The functions in which kernels begin to report: where a guest is stopped, its memory as it was
// found and not a byte of the report printed, for `stop_at`. A table; to add a function, add a row.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rig::oops {

struct ReportingFunction {
  std::string_view group;   // what a scenario may name instead: "slub"
  std::string_view name;    // of the function
  std::string_view unless;  // of the group, it is for kernels without this other one; may be empty
  std::string_view when;    // what the kernel is about to report, for people
};

std::span<const ReportingFunction> reporting_functions();

// The row of that function, without regard to what the compiler adds (".isra.0"); null: none.
const ReportingFunction* find_reporting_function(std::string_view name);

// The name of all groups together.
inline constexpr std::string_view kAllReports = "report";
// In front of the name of a function that is not in the table, in `stop_at`.
inline constexpr std::string_view kAnyFunction = "fn:";

// What a scenario may stop at: kAllReports, the groups, the functions.
std::vector<std::string> stop_names();

}  // namespace rig::oops
