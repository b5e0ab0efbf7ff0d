// SPDX-License-Identifier: Apache-2.0
#include "e2e/document.h"

#include <optional>
#include <span>

#include "base/text.h"

namespace rig::e2e {
namespace {

constexpr std::string_view kFence = "```";
constexpr std::string_view kAnything = "...";

// "`mailbox/Kbuild`:" -> "mailbox/Kbuild".
std::optional<std::string> file_name(std::string_view line) {
  line = trim(line);
  if (!line.starts_with('`') || !line.ends_with("`:")) return std::nullopt;
  const std::string_view name = line.substr(1, line.size() - 3);
  if (name.empty() || name.find('`') != std::string_view::npos) return std::nullopt;
  return std::string(name);
}

std::string_view without_end(std::string_view line) {
  const auto last = line.find_last_not_of(" \t\r");
  return last == std::string_view::npos ? std::string_view() : line.substr(0, last + 1);
}

bool line_fits(std::string_view shown, std::string_view found) {
  const auto at = shown.find(kAnything);
  if (at == std::string_view::npos) return without_end(shown) == without_end(found);
  if (!found.starts_with(shown.substr(0, at))) return false;
  const std::string_view rest = shown.substr(at + kAnything.size());
  for (std::size_t skip = at; skip <= found.size(); ++skip) {
    if (line_fits(rest, found.substr(skip))) return true;
  }
  return false;
}

bool lines_fit(std::span<const std::string> shown, std::span<const std::string> found) {
  if (shown.empty()) return found.empty();
  if (trim(shown[0]) == kAnything) {
    for (std::size_t skip = 0; skip <= found.size(); ++skip) {
      if (lines_fit(shown.subspan(1), found.subspan(skip))) return true;
    }
    return false;
  }
  return !found.empty() && line_fits(shown[0], found[0]) &&
         lines_fit(shown.subspan(1), found.subspan(1));
}

std::vector<std::string> lines_of(std::string_view text) {
  auto lines = split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace

Result<std::vector<Step>> parse_document(std::string_view markdown) {
  std::vector<Step> steps;
  std::string before;  // the last line that is not empty
  const auto lines = lines_of(markdown);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with(kFence)) {
      if (!trim(lines[i]).empty()) before = lines[i];
      continue;
    }
    const std::string kind(trim(std::string_view(lines[i]).substr(kFence.size())));
    Step step;
    step.line = static_cast<int>(i) + 2;
    for (++i; i < lines.size() && lines[i] != kFence; ++i) step.text += lines[i] + "\n";
    if (i == lines.size()) {
      return fail(Blame::kInput, "line {}: the block has no end", step.line - 1);
    }
    if (const auto name = file_name(before)) {
      step.kind = Step::Kind::kFile;
      step.path = *name;
    } else if (kind == "console") {
      step.kind = Step::Kind::kOutput;
      if (steps.empty() || steps.back().kind != Step::Kind::kCommands) {
        return fail(Blame::kInput, "line {}: what prints this?", step.line);
      }
    } else if (kind != "sh") {
      before.clear();
      continue;
    }
    before.clear();
    steps.push_back(std::move(step));
  }
  return steps;
}

bool fits(std::string_view shown, std::string_view found) {
  return lines_fit(lines_of(shown), lines_of(found));
}

}  // namespace rig::e2e
