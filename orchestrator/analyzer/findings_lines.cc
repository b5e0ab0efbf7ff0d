// SPDX-License-Identifier: Apache-2.0
#include "analyzer/findings_parts.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kWidth = 100;

}  // namespace

void put(std::string& out, std::string_view before, std::string_view text) {
  const std::string clean = printable(text);
  std::string_view rest = clean;
  std::string prefix(before);
  const std::size_t room = kWidth - prefix.size();
  while (!rest.empty()) {
    std::size_t length = rest.size();
    if (length > room) {
      const auto space = rest.rfind(' ', room);
      length = space == std::string_view::npos || space == 0 ? room : space;
    }
    out += prefix;
    out += rest.substr(0, length);
    out += '\n';
    rest.remove_prefix(length);
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    prefix = std::string(prefix.size(), ' ');
  }
}

void put_labelled(std::string& out, std::string_view label, std::string_view text) {
  put(out, fmt::format("{:<11}", label), text);
}

std::string with_commas(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

std::string who(const std::string& comm, const std::optional<std::uint64_t>& pid) {
  if (!pid) return comm.empty() ? "an unknown task" : comm;
  return fmt::format("{} (pid {})", comm, *pid);
}

}  // namespace rig::analyzer
