// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/cmdline_params.h"

#include <algorithm>

namespace rig::guest {
namespace {

char plain(char c) {
  return c == '-' ? '_' : c;
}

// "/lib/modules/R/virtio-blk.ko" -> "virtio-blk"
std::string_view module_name(std::string_view file) {
  file.remove_prefix(file.rfind('/') + 1);  // npos + 1 is 0
  return file.substr(0, file.find('.'));
}

// The next word; blanks within double quotes belong to it.
std::string_view take_word(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  bool quoted = false;
  std::size_t end = 0;
  for (; end < text.size() && (quoted || (text[end] != ' ' && text[end] != '\n')); ++end) {
    if (text[end] == '"') quoted = !quoted;
  }
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

}  // namespace

std::string params_on_cmdline(std::string_view cmdline, std::string_view file) {
  const std::string_view module = module_name(file);
  std::string params;
  for (auto word = take_word(cmdline); !word.empty() && word != "--"; word = take_word(cmdline)) {
    const std::size_t dot = word.substr(0, word.find('=')).find('.');
    if (dot == std::string_view::npos) continue;
    const std::string_view name = word.substr(0, dot);
    const bool same = std::equal(name.begin(), name.end(), module.begin(), module.end(),
                                 [](char a, char b) { return plain(a) == plain(b); });
    if (!same || word.size() == dot + 1) continue;
    if (!params.empty()) params += ' ';
    params.append(word.substr(dot + 1));
  }
  return params;
}

}  // namespace rig::guest
