// SPDX-License-Identifier: Apache-2.0
#include "oops/report_pattern.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace rig::oops {
namespace {

constexpr int kMaxGroups = 16;

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

re2::RE2::Options options() {
  re2::RE2::Options made;
  made.set_encoding(re2::RE2::Options::EncodingLatin1);  // consoles are bytes
  made.set_log_errors(false);
  return made;
}

}  // namespace

class LiteralSet::Compiled : public re2::RE2::Set {
 public:
  Compiled() : Set(options(), re2::RE2::UNANCHORED) {}
};

LiteralSet::LiteralSet(const std::vector<std::string_view>& literals)
    : compiled_(std::make_unique<Compiled>()) {
  for (const std::string_view text : literals) compiled_->Add(literal(text), nullptr);
  compiled_->Compile();
}

LiteralSet::~LiteralSet() = default;

std::vector<std::size_t> LiteralSet::in(std::string_view text) const {
  std::vector<int> found;
  compiled_->Match(piece(text), &found);
  std::ranges::sort(found);
  return {found.begin(), found.end()};
}

std::string literal(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != ' ' && c != '_') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

Captures Captures::moved_to(std::string_view copy, const char* from) const {
  const auto moved = [&](std::string_view view) {
    const auto offset = static_cast<std::size_t>(view.data() - from);
    return copy.substr(std::min(offset, copy.size()), view.size());
  };
  Captures there(moved(whole_));
  for (const auto& [name, value] : groups_) there.add(name, moved(value));
  return there;
}

Pattern::Pattern(std::string_view text) : text_(text) {}
Pattern::~Pattern() = default;

const re2::RE2& Pattern::compiled() const {
  std::call_once(once_, [this] {
    re_ = std::make_unique<re2::RE2>(piece(text_), options());
    for (const auto& [index, name] : re_->CapturingGroupNames()) {
      if (index < kMaxGroups) names_.emplace_back(index, name);
    }
  });
  return *re_;
}

bool Pattern::valid() const {
  return compiled().ok();
}

bool Pattern::matches(std::string_view text) const {
  return compiled().Match(piece(text), 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0);
}

bool Pattern::match(std::string_view text, Captures& captures) const {
  const re2::RE2& re = compiled();
  std::array<re2::StringPiece, kMaxGroups> groups;
  const int count = std::min(kMaxGroups, re.NumberOfCapturingGroups() + 1);
  if (!re.Match(piece(text), 0, text.size(), re2::RE2::UNANCHORED, groups.data(), count)) {
    return false;
  }
  captures = Captures({groups[0].data(), groups[0].size()});
  for (const auto& [index, name] : names_) {
    const auto& group = groups[static_cast<std::size_t>(index)];
    if (group.data() != nullptr && !group.empty()) {
      captures.add(name, {group.data(), group.size()});
    }
  }
  return true;
}

bool Pattern::replace(std::string& text, std::string_view with) const {
  const std::string before = text;
  return re2::RE2::GlobalReplace(&text, compiled(), piece(with)) > 0 && text != before;
}

std::size_t Pattern::find(std::string_view text, std::size_t from) const {
  re2::StringPiece hit;
  if (!compiled().Match(piece(text), from, text.size(), re2::RE2::UNANCHORED, &hit, 1)) {
    return std::string_view::npos;
  }
  return static_cast<std::size_t>(hit.data() - text.data());
}

}  // namespace rig::oops
