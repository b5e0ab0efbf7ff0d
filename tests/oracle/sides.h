// SPDX-License-Identifier: Apache-2.0
// The two sides of the comparison: crash with its debuginfo, and crashrig with nothing but the
// core.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rig::oracle {

// Answers in the order of the questions. A question that got none has an empty one.
using Answers = std::vector<std::string>;

// The cores of $CRASHRIG_ORACLE_CORES, separated by colons; ./rig test --oracle makes them.
std::vector<std::string> cores();

// crash's commands, all in one start of it (5 to 20 s). Fails the test when crash cannot be run.
Answers ask_crash(const std::string& core, const std::vector<std::string>& commands);

// `crashrig inspect`, all in one start of it. What it says of a question without an answer goes to
// standard error, and is left out here.
// `options` are the command's own, as a shell has them.
Answers ask_crashrig(const std::string& core, const std::vector<std::string>& questions,
                     const std::string& options = {});

// "  a   b c " -> {"a", "b", "c"}
std::vector<std::string> words(std::string_view line);
std::vector<std::string> lines(std::string_view text);

// A number in hexadecimal without prefix, as both sides write addresses.
std::optional<std::uint64_t> hex(std::string_view text);
std::string hex(std::uint64_t value);

// Every step-th of `all`, so that `count` of them cover the whole of it.
template <class T>
std::vector<T> spread(const std::vector<T>& all, std::size_t count) {
  std::vector<T> some;
  const std::size_t step = all.size() / count + 1;
  for (std::size_t i = 0; i < all.size(); i += step) some.push_back(all[i]);
  return some;
}

}  // namespace rig::oracle
