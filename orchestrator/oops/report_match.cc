// SPDX-License-Identifier: Apache-2.0
// Finds first lines of reports: one scan for all needles, then the patterns of the few that fit.
#include <algorithm>
#include <cctype>
#include <memory>

#include "oops/report_formats.h"

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

// Every needle of the table in one pattern: most lines of a log cost no more than this scan.
const Pattern& needles() {
  static const Pattern all = [] {
    std::string text;
    for (const Format& format : formats()) {
      for (const std::string_view needle : format.needles) {
        text += text.empty() ? "" : "|";
        for (const char c : needle) {
          if (!std::isalnum(static_cast<unsigned char>(c)) && c != ' ') text += '\\';
          text += c;
        }
      }
    }
    return Pattern(text);
  }();
  return all;
}

bool has_needle(const Format& format, std::string_view text) {
  return std::any_of(format.needles.begin(), format.needles.end(), [&](std::string_view needle) {
    return text.find(needle) != std::string_view::npos;
  });
}

}  // namespace

std::size_t next_candidate(std::string_view log, std::size_t from) {
  return needles().find(log, from);
}

bool match_start(std::string_view text, Start& start) {
  if (!needles().matches(text)) return false;
  for (const CompiledFormat& compiled : compiled_formats()) {
    if (!has_needle(*compiled.format, text)) continue;
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
