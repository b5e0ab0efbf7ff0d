// SPDX-License-Identifier: Apache-2.0
#include "crash/stop_points.h"

#include <algorithm>

#include "oops/reporting_functions.h"

namespace rig::crash {
namespace {

using oops::ReportingFunction;

// Every kernel has it: if it is not found, none will be.
constexpr std::string_view kAlwaysThere = "panic";

bool is_group(std::string_view name) {
  const auto rows = oops::reporting_functions();
  return name == oops::kAllReports ||
         std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row.group == name; });
}

bool in_group(const ReportingFunction& row, std::string_view group) {
  return group == oops::kAllReports || row.group == group;
}

// The function that a name means, if it is no group.
std::string function_of(std::string_view name) {
  if (name.starts_with(oops::kAnyFunction)) name.remove_prefix(oops::kAnyFunction.size());
  return std::string(name);
}

class Chooser {
 public:
  explicit Chooser(const std::vector<vm::GuestFunction>& present) : present_(present) {}

  bool has(std::string_view name) const {
    return std::any_of(present_.begin(), present_.end(),
                       [&](const auto& each) { return each.name == name; });
  }

  Status choose(const std::string& name) {
    if (is_group(name)) return choose_group(name);
    const std::string function = function_of(name);
    if (!has(function)) return missing(function, group_of(function));
    add(function);
    return {};
  }

  std::vector<StopPoint> take() && { return std::move(points_); }

 private:
  static std::string_view group_of(std::string_view function) {
    for (const ReportingFunction& row : oops::reporting_functions()) {
      if (row.name == function) return row.group;
    }
    return {};
  }

  Status choose_group(std::string_view group) {
    bool any = false;
    for (const ReportingFunction& row : oops::reporting_functions()) {
      const bool replaced = !row.unless.empty() && has(row.unless);
      if (!in_group(row, group) || replaced || !has(row.name)) continue;
      any = true;
      add(row.name);
    }
    return any ? Status() : missing(fmt::format("what reports for '{}'", group), group);
  }

  void add(std::string_view name) {
    for (const vm::GuestFunction& each : present_) {
      const auto same = [&](const StopPoint& point) { return point.address == each.address; };
      if (each.name != name || std::any_of(points_.begin(), points_.end(), same)) continue;
      points_.push_back({.function = each.name, .address = each.address});
    }
  }

  // `group` may be empty: then all that the table has is told.
  tl::unexpected<Error> missing(std::string_view what, std::string_view group) const {
    std::vector<std::string_view> instead;
    const auto collect = [&](std::string_view of) {
      for (const ReportingFunction& row : oops::reporting_functions()) {
        if (in_group(row, of) && has(row.name)) instead.push_back(row.name);
      }
    };
    if (!group.empty()) collect(group);
    if (instead.empty()) collect(oops::kAllReports);
    return fail_hint(Blame::kInput, fmt::format("it has {}", fmt::join(instead, ", ")),
                     "stop_at: {} is not in this kernel (inlined everywhere, or not built in)",
                     what);
  }

  const std::vector<vm::GuestFunction>& present_;
  std::vector<StopPoint> points_;
};

// All that may be asked for, and what an error may offer instead.
std::vector<std::string> names_to_find(std::span<const std::string> names) {
  std::vector<std::string> all;
  for (const std::string& name : names) {
    if (!is_group(name)) all.push_back(function_of(name));
  }
  for (const ReportingFunction& row : oops::reporting_functions()) all.emplace_back(row.name);
  return all;
}

}  // namespace

Result<std::vector<StopPoint>> set_stop_points(vm::Vm& machine, std::span<const std::string> names,
                                               Deadline deadline) {
  RIG_ASSIGN(const auto present, machine.find_functions(names_to_find(names), deadline));
  Chooser chooser(present);
  if (!chooser.has(kAlwaysThere)) {
    return fail_hint(Blame::kInput,
                     "it needs CONFIG_KALLSYMS, and kernel.kptr_restrict must not be 2",
                     "stop_at: the guest's /proc/kallsyms does not tell where its functions are");
  }
  for (const std::string& name : names) RIG_TRY(chooser.choose(name));
  std::vector<StopPoint> points = std::move(chooser).take();
  std::vector<VirtAddr> addresses;
  for (const StopPoint& point : points) addresses.push_back(point.address);
  RIG_TRY(machine.set_breakpoints(addresses, deadline));
  return points;
}

}  // namespace rig::crash
