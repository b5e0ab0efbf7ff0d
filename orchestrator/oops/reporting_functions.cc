// SPDX-License-Identifier: Apache-2.0
#include "oops/reporting_functions.h"

#include <algorithm>

#include "oops/report_stack.h"

namespace rig::oops {
namespace {

// Linux 6.1 unless said. Of a chain of functions the first that only a report calls: kasan_report()
// is also called, and returns at once, where KASAN is switched off for a while (SLUB does that to
// look at freed objects); start_report() is not.
constexpr ReportingFunction kFunctions[] = {
    // mm/slub.c
    {"slub", "slab_bug", "", "an object, its red zone or padding is not as SLUB left it"},
    {"slub", "object_err", "slab_bug", "an object or its free pointer is wrong"},
    {"slub", "slab_err", "slab_bug", "a slab as a whole is wrong"},
    // mm/kasan/report.c
    {"kasan", "start_report", "", "an access, or a free, that KASAN forbids"},
    {"kasan", "kasan_report", "start_report", "an access that KASAN forbids"},
    {"kasan", "kasan_report_invalid_free", "start_report", "a free that KASAN forbids"},
    // mm/kfence/report.c, mm/kmsan/report.c, kernel/kcsan/report.c, lib/ubsan.c
    {"kfence", "kfence_report_error", "", "an access that KFENCE caught"},
    {"kmsan", "kmsan_report", "", "a use of uninitialised memory"},
    {"kcsan", "kcsan_report_known_origin", "", "a data race, both sides known"},
    {"kcsan", "kcsan_report_unknown_origin", "", "a data race with an unknown writer"},
    {"ubsan", "ubsan_prologue", "", "undefined behaviour"},
    // mm/page_alloc.c, mm/memory.c
    {"page", "bad_page", "", "a page that is freed or allocated is still in use"},
    {"page", "print_bad_pte", "", "a page table entry leads nowhere"},
    // kernel/panic.c; vpanic() is newer than 6.12
    {"warn", "__warn", "", "WARN() and its kind"},
    {"oops", "oops_enter", "", "an exception that the kernel cannot handle, or BUG()"},
    {"oops", "die", "oops_enter", "an exception that the kernel cannot handle"},
    {"panic", "vpanic", "", "the kernel gives up"},
    {"panic", "panic", "vpanic", "the kernel gives up"},
};

}  // namespace

std::span<const ReportingFunction> reporting_functions() {
  return kFunctions;
}

const ReportingFunction* find_reporting_function(std::string_view name) {
  const auto found = std::find_if(
      std::begin(kFunctions), std::end(kFunctions),
      [plain = plain_name(name)](const ReportingFunction& each) { return each.name == plain; });
  return found == std::end(kFunctions) ? nullptr : found;
}

std::vector<std::string> stop_names() {
  std::vector<std::string> names{std::string(kAllReports)};
  const auto add = [&](std::string_view name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
  };
  for (const ReportingFunction& each : kFunctions) add(each.group);
  for (const ReportingFunction& each : kFunctions) add(each.name);
  return names;
}

}  // namespace rig::oops
