// SPDX-License-Identifier: Apache-2.0
#include "scenario/cmdline_reader.h"

#include <algorithm>

#include "base/text.h"

namespace rig::scenario {
namespace {

std::string in_quotes(const std::string& text) {
  return fmt::format("'{}'", printable(text));
}

// Blanks separate the kernel's parameters, except between double quotes.
bool has_blanks(std::string_view text) {
  bool in_quotes = false;
  for (const char c : text) {
    if (c == '"') in_quotes = !in_quotes;
    if (c == '\n' || (!in_quotes && (c == '\t' || c == ' '))) return true;
  }
  return false;
}

std::string name_of(const std::string& parameter) {
  return parameter.substr(0, parameter.find('='));
}

}  // namespace

std::vector<std::string> read_cmdline(const Node& node, Problems& problems) {
  std::vector<std::string> parameters;
  for (const Node& item : read_list(node, "'cmdline'", "[oops=panic, slab_nomerge]", problems)) {
    if (has_blanks(item.text)) {
      problems.add(item.mark, fmt::format("a kernel parameter has no blanks: write {} as separate "
                                          "items",
                                          in_quotes(item.text)));
    }
    if (auto text = read_text(item, "an item of 'cmdline'", problems)) {
      parameters.push_back(std::move(*text));
    }
  }
  return parameters;
}

std::vector<std::string> read_ignored_ok(const Node& node, const std::vector<std::string>& cmdline,
                                         Problems& problems) {
  std::vector<std::string> valid;
  for (const std::string& parameter : cmdline) valid.push_back(name_of(parameter));
  std::vector<std::string> names;
  for (const Node& item : read_list(node, "'ignored_ok'", "[nox2apic]", problems)) {
    auto name = read_text(item, "an item of 'ignored_ok'", problems);
    if (!name) continue;
    if (name->find('=') != std::string::npos) {
      problems.add(item.mark, fmt::format("'ignored_ok' takes names: write {} instead of {}",
                                          in_quotes(name_of(*name)), in_quotes(*name)));
    } else if (std::find(valid.begin(), valid.end(), *name) == valid.end()) {
      problems.add(item.mark, fmt::format("'ignored_ok' names {}, which is not in 'cmdline'{}",
                                          in_quotes(*name), suggest(*name, valid)));
    } else {
      names.push_back(std::move(*name));
    }
  }
  return names;
}

}  // namespace rig::scenario
