// SPDX-License-Identifier: Apache-2.0
// RE2 behind one small type: compiled on first use, named groups are what a match gives.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re2 {
class RE2;
}

namespace rig::oops {

// The named groups that took part in a match, in the pattern's order. Views into the matched text.
class Captures {
 public:
  Captures() = default;
  explicit Captures(std::string_view whole) : whole_(whole) {}
  void add(std::string_view name, std::string_view value) { groups_.emplace_back(name, value); }
  std::string_view whole() const { return whole_; }  // all that the pattern matched
  // The same groups as views into `copy`, which begins with a copy of what was matched from
  // `from` on; what lies behind its end is cut off.
  Captures moved_to(std::string_view copy, const char* from) const;
  // Empty when there is no such group.
  std::string_view operator[](std::string_view name) const {
    for (const auto& [key, value] : groups_) {
      if (key == name) return value;
    }
    return {};
  }
  auto begin() const { return groups_.begin(); }
  auto end() const { return groups_.end(); }

 private:
  std::string_view whole_;
  std::vector<std::pair<std::string_view, std::string_view>> groups_;
};

// The text as a pattern for itself.
std::string literal(std::string_view text);

// An unanchored pattern. May be shared by threads.
class Pattern {
 public:
  explicit Pattern(std::string_view text);
  ~Pattern();
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  bool valid() const;  // the table's patterns are ours: a test asks this of each
  bool matches(std::string_view text) const;
  bool match(std::string_view text, Captures& captures) const;
  // Replaces every match; "\\1" stands for a group. False when there was none, or nothing changed.
  bool replace(std::string& text, std::string_view with) const;
  // Offset of the leftmost match at or after `from`, or npos.
  std::size_t find(std::string_view text, std::size_t from) const;

 private:
  const re2::RE2& compiled() const;

  std::string text_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<re2::RE2> re_;
  mutable std::vector<std::pair<int, std::string>> names_;
};

// Many literals looked for in one scan. May be shared by threads.
class LiteralSet {
 public:
  explicit LiteralSet(const std::vector<std::string_view>& literals);
  ~LiteralSet();
  LiteralSet(const LiteralSet&) = delete;
  LiteralSet& operator=(const LiteralSet&) = delete;

  // The indices of those that the text holds, in order.
  std::vector<std::size_t> in(std::string_view text) const;

 private:
  class Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace rig::oops
