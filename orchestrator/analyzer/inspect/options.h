// SPDX-License-Identifier: Apache-2.0
// The arguments of a question: one-letter options, which may be joined ("-xo"), and words.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/inspect/question.h"

namespace rig::analyzer {

struct OptionSpec {
  std::string_view question;
  std::string_view flags;   // "xo": without a value
  std::string_view valued;  // "lc": the next word is the value, also when it begins with '-'
  std::string_view usage;
};

struct GivenOptions {
  std::map<char, std::string> given;
  std::vector<std::string> words;

  bool has(char letter) const { return given.contains(letter); }
  std::optional<std::string> value(char letter) const;
};

// Blame::kInput, with the usage as hint, for an option that there is not. "-" and "-5" are words.
Result<GivenOptions> parse_options(const OptionSpec& spec, Arguments arguments);

// Blame::kInput with the usage.
tl::unexpected<Error> misused(const OptionSpec& spec, std::string_view what);

// "12", "0x10", "-3".
Result<std::int64_t> parse_count(const OptionSpec& spec, std::string_view text);

}  // namespace rig::analyzer
