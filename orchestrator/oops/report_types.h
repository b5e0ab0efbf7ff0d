// SPDX-License-Identifier: Apache-2.0
// The field's classes of crashes, as syzkaller's dashboards and their users name them.
#pragma once

#include <string>
#include <string_view>

#include "oops/report.h"

namespace rig::oops {

// `type` is a format's; those of the checkers of memory depend on what was done to it:
// "KASAN" becomes "KASAN-USE-AFTER-FREE-READ".
std::string class_of(std::string_view type, const Report& report);

}  // namespace rig::oops
