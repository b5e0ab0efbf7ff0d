// SPDX-License-Identifier: Apache-2.0
// How sizes, durations and names are written in our YAML files.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rig::scenario {

// "512M": a whole number and K, M or G (powers of 1024), or bytes without a unit.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

// "1500ms", "60s", "2m", "1h": a whole number and its unit.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// Names become folder names and command line arguments: letters, digits, '.', '_', '-'; starts with
// a letter or digit; at most 64 characters.
bool is_name(std::string_view text);

// 'text' for a message: one line, no control characters, cut when long.
std::string shown(std::string_view text);

}  // namespace rig::scenario
