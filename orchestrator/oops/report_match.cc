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

void add_literal(std::string& pattern, std::string_view text) {
  pattern += pattern.empty() ? "" : "|";
  pattern += literal(text);
}

// Every needle of the table in one pattern: most lines of a log cost no more than this scan.
const Pattern& needles() {
  static const Pattern all = [] {
    std::string text;
    for (const Format& format : formats()) {
      for (const std::string_view needle : format.needles) add_literal(text, needle);
    }
    return Pattern(text);
  }();
  return all;
}

// The same, and the literals of lines that concern the whole log.
const Pattern& candidates() {
  static const Pattern all = [] {
    std::string text;
    for (const Format& format : formats()) {
      for (const std::string_view needle : format.needles) add_literal(text, needle);
    }
    for (const LogLine& line : log_lines()) add_literal(text, line.part);
    return Pattern(text);
  }();
  return all;
}

bool holds_any(const std::vector<std::string_view>& literals, std::string_view text) {
  return std::any_of(literals.begin(), literals.end(), [&](std::string_view literal) {
    return text.find(literal) != std::string_view::npos;
  });
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
  if (!needles().matches(text)) return false;
  for (const CompiledFormat& compiled : compiled_formats()) {
    if (!holds_any(compiled.format->needles, text)) continue;
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
