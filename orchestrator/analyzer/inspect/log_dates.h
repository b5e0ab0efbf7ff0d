// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rig::analyzer {

// The log with "[Sat Nov 21 11:44:41 2026]" for "[    3.123456]"; `boot`: seconds since 1970. Lines
// that begin otherwise stay as they are.
std::string log_with_dates(std::string_view log, double boot);

// A time of 1970 and later in UTC, `format` as strftime() has it.
std::string calendar_time(std::uint64_t seconds, const char* format);

}  // namespace rig::analyzer
