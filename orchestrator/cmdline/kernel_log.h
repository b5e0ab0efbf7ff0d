// SPDX-License-Identifier: Apache-2.0
// Looks things up in a kernel's log.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rig::cmdline {

// The first line that has `text` in it, without level and time stamp, cut when it is long.
std::optional<std::string> find_line(std::string_view log, std::string_view text);

// How an answer names it: "the log: LINE".
std::string log_says(const std::string& line);

// What the kernel listed as "Unknown kernel command line parameters" (init/main.c, since
// 86d1919a4fb0, v5.14): words as they were written. Nothing when there is no such line.
std::vector<std::string> unknown_parameters(std::string_view log);

// A message that refuses this value: "Malformed early option", "invalid for parameter" and the like
// (init/main.c, kernel/params.c).
std::optional<std::string> find_refusal(std::string_view log, std::string_view name);

}  // namespace rig::cmdline
