// SPDX-License-Identifier: Apache-2.0
#include "scenario/format_text.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "scenario/units.h"

namespace rig::scenario::format {
namespace {

constexpr std::size_t kColumns = 100;
constexpr std::string_view kTableBegin = "<!-- format: ";
constexpr std::string_view kMarkEnd = " -->\n";
constexpr std::string_view kTableEnd = "<!-- end of format -->\n";

// Without backquotes, and with the text of links only.
std::string without_markdown(std::string_view text) {
  std::string plain;
  bool in_code = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto close = in_code || text[i] != '[' ? std::string_view::npos : text.find("](", i);
    if (text[i] == '`') {
      in_code = !in_code;
    } else if (close != std::string_view::npos) {
      plain += without_markdown(text.substr(i + 1, close - i - 1));
      i = std::min(text.find(')', close), text.size() - 1);
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// The text's words on lines that begin in column `indent`.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  std::size_t column = kColumns;
  for (const std::string& word : split(text, ' ')) {
    if (column + 1 + word.size() > kColumns) {
      out += fmt::format("{}{:{}}", out.empty() ? "" : "\n", "", indent);
      column = indent;
    } else {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out + "\n";
}

}  // namespace

std::string markdown(const Section& section) {
  std::string table = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const Key& key : section.keys) {
    const std::string name =
        key.required() ? fmt::format("**`{}`**", key.name) : fmt::format("`{}`", key.name);
    table += fmt::format("| {} | {} | {}| {} |\n", name, key.type,
                         key.required() ? "" : fmt::format("{} ", key.fallback), key.meaning);
  }
  return table;
}

std::string plain(const Section& section) {
  constexpr std::size_t kIndent = 4;
  std::string text = fmt::format("{}: {}\n", section.name, section.where);
  for (const Key& key : section.keys) {
    text +=
        fmt::format("\n  {}: {}{}\n", key.name, without_markdown(key.type),
                    key.required() ? "; required" : "; default: " + without_markdown(key.fallback));
    text += wrapped(without_markdown(key.meaning), kIndent);
  }
  return text;
}

Result<const Section*> find_section(std::string_view name) {
  std::vector<std::string> names;
  for (const Section* section : kSections) {
    if (section->name == name) return section;
    names.emplace_back(section->name);
  }
  return fail(Blame::kInput, "the scenario format has no {}{}", shown(name), suggest(name, names));
}

Result<std::string> with_tables(std::string_view manual) {
  std::string text;
  std::vector<std::string_view> seen;
  for (;;) {
    const auto begin = manual.find(kTableBegin);
    if (begin == std::string_view::npos) break;
    const auto name_end = manual.find(kMarkEnd, begin);
    const auto end = manual.find(kTableEnd, begin);
    if (name_end == std::string_view::npos || end == std::string_view::npos || name_end > end) {
      return fail(Blame::kInput, "a table of the manual has no end");
    }
    const auto at = begin + kTableBegin.size();
    const std::string_view name = manual.substr(at, name_end - at);
    RIG_ASSIGN(const Section* const section, find_section(name));
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return fail(Blame::kInput, "the manual has two tables of {}", shown(name));
    }
    seen.push_back(section->name);
    text += manual.substr(0, name_end + kMarkEnd.size());
    text += fmt::format("{}{}", markdown(*section), kTableEnd);
    manual.remove_prefix(end + kTableEnd.size());
  }
  text += manual;
  for (const Section* section : kSections) {
    if (std::find(seen.begin(), seen.end(), section->name) != seen.end()) continue;
    return fail(Blame::kInput, "the manual has no table of {}", shown(section->name));
  }
  return text;
}

}  // namespace rig::scenario::format
