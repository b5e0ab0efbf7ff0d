// SPDX-License-Identifier: Apache-2.0
#include "scenario/schema_reader.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "scenario/units.h"

namespace rig::scenario {

Status Problems::status() const {
  if (problems_.empty()) return {};
  constexpr std::size_t kShown = 20;
  std::vector<Problem> sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.mark.line, a.mark.column) < std::tie(b.mark.line, b.mark.column);
  });
  std::string text;
  for (std::size_t i = 0; i < std::min(sorted.size(), kShown); ++i) {
    const auto& [mark, what] = sorted[i];
    text += fmt::format("{}{}:{}:{}: {}", i == 0 ? "" : "\n", file_, mark.line, mark.column, what);
  }
  if (sorted.size() > kShown) text += fmt::format("\n... and {} more", sorted.size() - kShown);
  return fail(Blame::kInput, "{}", text);
}

std::string describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return shown(node.text);
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
  }
  return "nothing";
}

namespace {

// The scalar's text, or nothing and a problem that says what was expected.
std::optional<std::string> scalar(const Node& node, std::string_view what,
                                  std::string_view expected, Problems& problems) {
  if (node.kind == Node::Kind::kScalar) return node.text;
  problems.add(node.mark, fmt::format("{} must be {}, found {}", what, expected, describe(node)));
  return std::nullopt;
}

}  // namespace

std::optional<std::string> read_text(const Node& node, std::string_view what, Problems& problems) {
  auto text = scalar(node, what, "a text", problems);
  if (text && trim(*text).empty()) {
    problems.add(node.mark, fmt::format("{} is empty", what));
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> read_name(const Node& node, std::string_view what, Problems& problems) {
  auto text = read_text(node, what, problems);
  if (!text || is_name(*text)) return text;
  problems.add(node.mark, fmt::format("{} {} is not a name: use letters, digits, '.', '_' and '-'",
                                      what, shown(*text)));
  return std::nullopt;
}

std::optional<std::uint64_t> read_number(const Node& node, std::string_view what,
                                         Problems& problems, std::uint64_t min, std::uint64_t max) {
  const auto text = scalar(node, what, "a number", problems);
  if (!text) return std::nullopt;
  const auto value = parse_u64(*text);
  if (!value) {
    problems.add(node.mark, fmt::format("{} must be a whole number like 20 or 0x106, found {}",
                                        what, shown(*text)));
    return std::nullopt;
  }
  if (*value >= min && *value <= max) return value;
  problems.add(node.mark, fmt::format("{} must be from {} to {}, found {}", what, min, max, *text));
  return std::nullopt;
}

std::optional<std::uint64_t> read_bytes(const Node& node, std::string_view what,
                                        Problems& problems) {
  const auto text = scalar(node, what, "a size like 512M", problems);
  if (!text) return std::nullopt;
  const auto value = parse_bytes(*text);
  if (!value) {
    problems.add(node.mark,
                 fmt::format("{} must be a whole number with K, M or G, like 512M, found {}", what,
                             shown(*text)));
  }
  return value;
}

std::optional<std::chrono::milliseconds> read_duration(const Node& node, std::string_view what,
                                                       Problems& problems) {
  const auto text = scalar(node, what, "a duration like 60s", problems);
  if (!text) return std::nullopt;
  const auto value = parse_duration(*text);
  if (!value) {
    problems.add(node.mark, fmt::format("{} must be a whole number with its unit, like 1500ms, "
                                        "60s or 2m, found {}",
                                        what, shown(*text)));
    return std::nullopt;
  }
  if (value->count() > 0 && *value <= std::chrono::hours(24)) return value;
  problems.add(node.mark,
               fmt::format("{} must be more than 0 and at most 24h, found {}", what, *text));
  return std::nullopt;
}

std::optional<std::string> read_choice(const Node& node, std::string_view what,
                                       std::span<const std::string> valid, Problems& problems) {
  auto text = read_text(node, what, problems);
  if (!text || std::find(valid.begin(), valid.end(), *text) != valid.end()) return text;
  problems.add(node.mark,
               fmt::format("unknown {} {}{}", what, shown(*text), suggest(*text, valid)));
  return std::nullopt;
}

std::span<const Node> read_list(const Node& node, std::string_view what, std::string_view example,
                                Problems& problems) {
  if (node.kind == Node::Kind::kList) return node.items;
  problems.add(node.mark,
               fmt::format("{} must be a list like {}, found {}", what, example, describe(node)));
  return {};
}

MapReader::MapReader(const Node& node, std::string what, Problems& problems)
    : node_(node),
      what_(std::move(what)),
      problems_(problems),
      is_map_(node.kind == Node::Kind::kMap) {
  if (is_map_ || node.kind == Node::Kind::kNull) return;
  problems_.add(node.mark,
                fmt::format("{} must be a map (key: value), found {}", what_, describe(node)));
}

const Node* MapReader::find(std::string_view key) {
  asked_.emplace_back(key);
  for (const Field& entry : node_.entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

const Node* MapReader::require(std::string_view key) {
  const Node* value = find(key);
  const bool complained = !is_map_ && node_.kind != Node::Kind::kNull;
  if (value == nullptr && !complained) {
    problems_.add(node_.mark, fmt::format("{} has no '{}'", what_, key));
  }
  return value;
}

void MapReader::expect_asked(std::string_view key) {
  if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) return;
  problems_.add(node_.mark,
                fmt::format("please report this: the key '{}' of {} is never read", key, what_));
}

void MapReader::finish() {
  for (const Field& entry : node_.entries) {
    if (std::find(asked_.begin(), asked_.end(), entry.key) != asked_.end()) continue;
    problems_.add(entry.mark, fmt::format("unknown key {} in {}{}", shown(entry.key), what_,
                                          suggest(entry.key, asked_)));
  }
}

std::span<const Field> read_named(const Node& node, std::string_view what, Problems& problems) {
  if (node.kind != Node::Kind::kMap) {
    problems.add(node.mark,
                 fmt::format("{} must be a map (name: ...), found {}", what, describe(node)));
    return {};
  }
  if (node.entries.empty()) problems.add(node.mark, fmt::format("{} is empty", what));
  return node.entries;
}

}  // namespace rig::scenario
