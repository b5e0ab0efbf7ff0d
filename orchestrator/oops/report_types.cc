// SPDX-License-Identifier: Apache-2.0
#include "oops/report_types.h"

#include <algorithm>
#include <iterator>

namespace rig::oops {
namespace {

struct Class {
  std::string_view checker;
  std::string_view kind;  // part of a report's kind
  std::string_view type;
  bool by_access = false;  // "-READ" or "-WRITE" follows; what is not known was at least read
};

constexpr Class kClasses[] = {
    {"KASAN", "use-after-free", "KASAN-USE-AFTER-FREE", true},
    {"KASAN", "null-ptr-deref", "KASAN-NULL-POINTER-DEREFERENCE", true},
    {"KASAN", "use-after-scope", "KASAN-UNKNOWN"},
    {"KASAN", "alloca-out-of-bounds", "KASAN-UNKNOWN"},
    {"KASAN", "", "KASAN", true},
    {"KFENCE", "use-after-free", "KFENCE-USE-AFTER-FREE", true},
    {"KFENCE", "", "KFENCE", true},
    {"KMSAN", "uninit-value", "KMSAN-UNINIT-VALUE"},
    {"KMSAN", "after-free", "KMSAN-USE-AFTER-FREE-READ"},
    {"KMSAN", "infoleak", "KMSAN-INFO-LEAK"},
    {"KMSAN", "", "KMSAN-UNKNOWN"},
};

}  // namespace

std::string class_of(std::string_view type, const Report& report) {
  const auto* row = std::ranges::find_if(kClasses, [&](const Class& each) {
    return each.checker == type && report.kind.find(each.kind) != std::string::npos;
  });
  if (row == std::end(kClasses)) return std::string(type);
  std::string found(row->type);
  if (row->by_access) found += report.access == "write" ? "-WRITE" : "-READ";
  return found;
}

}  // namespace rig::oops
