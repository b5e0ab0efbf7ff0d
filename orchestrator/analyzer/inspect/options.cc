// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/options.h"

#include "base/text.h"

namespace rig::analyzer {
namespace {

bool is_option(std::string_view word) {
  return word.size() >= 2 && word[0] == '-' && (word[1] < '0' || word[1] > '9');
}

}  // namespace

std::optional<std::string> GivenOptions::value(char letter) const {
  const auto found = given.find(letter);
  return found == given.end() ? std::nullopt : std::optional(found->second);
}

tl::unexpected<Error> misused(const OptionSpec& spec, std::string_view what) {
  return fail_hint(Blame::kInput, fmt::format("usage: {} {}", spec.question, spec.usage), "{}: {}",
                   spec.question, what);
}

Result<GivenOptions> parse_options(const OptionSpec& spec, Arguments arguments) {
  GivenOptions options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (!is_option(word)) {
      options.words.push_back(word);
      continue;
    }
    for (const char letter : std::string_view(word).substr(1)) {
      if (spec.flags.find(letter) != std::string_view::npos) {
        options.given[letter];
        continue;
      }
      if (spec.valued.find(letter) == std::string_view::npos) {
        return misused(spec, fmt::format("no option -{}", printable(std::string(1, letter))));
      }
      if (i + 1 == arguments.size()) {
        return misused(spec, fmt::format("-{} wants a value", letter));
      }
      options.given[letter] = arguments[++i];
    }
  }
  return options;
}

Result<std::int64_t> parse_count(const OptionSpec& spec, std::string_view text) {
  const bool negative = text.starts_with('-');
  const auto value = parse_u64(text.substr(negative ? 1 : 0));
  if (!value || *value > INT32_MAX) {
    return misused(spec, fmt::format("'{}' is no number that can be right", text));
  }
  return negative ? -static_cast<std::int64_t>(*value) : static_cast<std::int64_t>(*value);
}

}  // namespace rig::analyzer
