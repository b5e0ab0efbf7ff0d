// SPDX-License-Identifier: Apache-2.0
// Finds first lines of reports: one scan for all needles, then the patterns of the few that fit.
#include <algorithm>
#include <cctype>
#include <memory>

#include "oops/report_formats.h"
#include "oops/report_log.h"

namespace rig::oops {
namespace {

struct CompiledFormat {
  explicit CompiledFormat(const Format& of) : format(&of) {
    for (const Spelling& spelling : of.spellings) {
      patterns.push_back(std::make_unique<Pattern>(spelling.pattern));
    }
  }
  const Format* format;
  std::vector<std::unique_ptr<Pattern>> patterns;
};

const std::vector<CompiledFormat>& compiled_formats() {
  static const std::vector<CompiledFormat> all = [] {
    std::vector<CompiledFormat> made;
    for (const Format& format : formats()) made.emplace_back(format);
    return made;
  }();
  return all;
}

// Every needle of the table, and whose it is: one scan finds the few formats that a line may be of.
struct Needles {
  std::vector<std::string_view> texts;
  std::vector<std::size_t> formats;  // of each text
};

const Needles& needles() {
  static const Needles all = [] {
    Needles made;
    for (std::size_t i = 0; i < formats().size(); ++i) {
      for (const std::string_view needle : formats()[i].needles) {
        made.texts.push_back(needle);
        made.formats.push_back(i);
      }
    }
    return made;
  }();
  return all;
}

// Needles, and the literals of lines with an effect: most lines of a log cost no more than this
// scan.
const Pattern& candidates() {
  static const Pattern all = [] {
    std::vector<std::string_view> texts = needles().texts;
    for (const LogLine& line : log_lines()) texts.push_back(line.part);
    std::string pattern;
    for (const std::string_view text : texts) {
      pattern += (pattern.empty() ? "" : "|") + literal(text);
    }
    return Pattern(pattern);
  }();
  return all;
}

// The formats that have a needle in the text, in the table's order.
std::vector<std::size_t> formats_in(std::string_view text) {
  static const LiteralSet set(needles().texts);
  std::vector<std::size_t> found = set.in(text);
  for (std::size_t& needle : found) needle = needles().formats[needle];
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

// In any case of letters: a terminal may be set to print capitals only.
bool is_excluded(const Format& format, std::string_view text) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  return std::ranges::any_of(format.unless, [&](std::string_view literal) {
    return std::search(text.begin(), text.end(), literal.begin(), literal.end(), same) !=
           text.end();
  });
}

}  // namespace

std::size_t next_candidate(std::string_view text, std::size_t from) {
  return candidates().find(text, from);
}

bool is_candidate(std::string_view text) {
  return candidates().matches(text);
}

bool match_start(std::string_view text, Start& start) {
  // "---[ end Kernel panic - not syncing: ... ]---" repeats what the panic began with.
  if (text.starts_with("---[ end ")) return false;
  for (const std::size_t index : formats_in(text)) {
    const CompiledFormat& compiled = compiled_formats()[index];
    if (!compiled.format->unless.empty() && is_excluded(*compiled.format, text)) continue;
    for (std::size_t i = 0; i < compiled.patterns.size(); ++i) {
      if (!compiled.patterns[i]->match(text, start.captures)) continue;
      start.format = compiled.format;
      start.spelling = &compiled.format->spellings[i];
      return true;
    }
  }
  return false;
}

std::string expand(std::string_view text, const Captures& captures) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    const std::size_t close = text.find('}', open == std::string_view::npos ? 0 : open);
    out += text.substr(0, open);
    if (open == std::string_view::npos || close == std::string_view::npos) break;
    out += captures[text.substr(open + 1, close - open - 1)];
    text.remove_prefix(close + 1);
  }
  return out;
}

}  // namespace rig::oops
