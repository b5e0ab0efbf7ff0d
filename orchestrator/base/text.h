// SPDX-License-Identifier: Apache-2.0
// Small text helpers that every room needs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace rig {

std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

// "snd-hda" as "snd_hda": a name that is the same with either.
std::string with_underscores(std::string_view name);

// "0x106", "262" (base from the prefix); nothing when there is a sign or anything is left over.
std::optional<std::uint64_t> parse_u64(std::string_view text);

// The candidate closest to `name` by edit distance, if any is near enough to be what was meant.
std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates);

// ", did you mean 'x'?" or "; valid: a, b, c".
std::string suggest(std::string_view name, std::span<const std::string> candidates);

// The text on one line with everything but printable ASCII replaced, one '?' per UTF-8 character: a
// guest's console cannot send escape sequences (C1 bytes neither) to the user's terminal, and a
// character is a column.
std::string printable(std::string_view text);

std::string hex_digits(ByteView bytes);  // "06010000"
// "06 01 00 00", and "..." behind the first `most` of them.
std::string hex_bytes(ByteView bytes, std::size_t most = std::string::npos);
std::string signed_hex(std::int64_t offset);  // "+0x2c8", "-0x8"

std::string human_bytes(std::uint64_t bytes);  // "38.2 MB"
std::string human_seconds(double seconds);     // "0.27 s", "12.4 s", "3 min 05 s"

// The last few lines of a program's output on one line, for a message: "a; b".
std::string end_of_output(std::string_view output);

}  // namespace rig
