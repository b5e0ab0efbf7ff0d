// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "image/kconfig.h"

namespace rig::image {
namespace {

// A recursive descent over one expression; deeper nesting than any real one counts as true.
class Expression {
 public:
  Expression(std::string_view text, const Config& config) : text_(text), config_(config) {}

  // What keeps it from holding; empty when it holds.
  std::string blockers() { return either(true).why; }

 private:
  static constexpr int kDeepest = 64;
  struct Value {
    bool holds = true;
    std::string why;  // of one that does not hold
  };

  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool accept(std::string_view token) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  // `wanted` is false below an odd number of `!`: what is to be explained then is why it holds.
  Value either(bool wanted) {
    Value left = both(wanted);
    while (accept("||")) {
      Value right = both(wanted);
      left = wanted ? any_of(std::move(left), std::move(right))
                    : all_of(std::move(left), std::move(right));
    }
    return left;
  }
  Value both(bool wanted) {
    Value left = single(wanted);
    while (accept("&&")) {
      Value right = single(wanted);
      left = wanted ? all_of(std::move(left), std::move(right))
                    : any_of(std::move(left), std::move(right));
    }
    return left;
  }

  static Value all_of(Value left, Value right) {
    if (left.holds || right.holds) return left.holds ? right : left;
    return {false, left.why + ", " + right.why};
  }
  static Value any_of(Value left, Value right) {
    if (left.holds || right.holds) return {};
    return {false, left.why + " or " + right.why};
  }

  Value single(bool wanted) {
    if (++depth_ > kDeepest) return {};
    if (accept("(")) {
      Value inner = either(wanted);
      accept(")");
      return inner;
    }
    skip_blanks();
    if (text_.substr(at_, 2) != "!=" && accept("!")) return single(!wanted);
    return comparison(wanted);
  }

  Value comparison(bool wanted) {
    const std::string left = word();
    for (const std::string_view op : {"!=", "<=", ">=", "=", "<", ">"}) {
      if (!accept(op)) continue;
      const std::string right = word();
      if (op != "=" && op != "!=") return {};  // versions of tools
      const bool same = value(left) == value(right);
      if ((same == (op == "=")) == wanted) return {};
      return {false, shown(left)};
    }
    if (left.empty() || left.front() == '$') return {};
    // "m" is enough for a module, and what is asked for is then told by its own value.
    if ((value(left) != "n") == wanted) return {};
    return {false, shown(left)};
  }

  std::string word() {
    skip_blanks();
    const std::size_t start = at_;
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
      const auto end = text_.find(text_[at_], at_ + 1);
      at_ = end == std::string_view::npos ? text_.size() : end + 1;
    } else if (text_.substr(at_, 2) == "$(") {
      int open = 0;
      for (; at_ < text_.size(); ++at_) {
        if (text_[at_] == '(') ++open;
        if (text_[at_] == ')' && --open == 0) break;
      }
      at_ = std::min(at_ + 1, text_.size());
    } else {
      while (at_ < text_.size() &&
             (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) {
        ++at_;
      }
      if (at_ == start) at_ = std::min(at_ + 1, text_.size());  // what is no word is stepped over
    }
    return std::string(text_.substr(start, at_ - start));
  }

  // Of a symbol its value, of a constant ("y", "text", 4096) itself.
  std::string value(const std::string& name) const {
    if (name.empty()) return {};
    const bool is_text = name.front() == '"' || name.front() == '\'';
    const bool is_constant = name == "y" || name == "m" || name == "n" ||
                             std::isdigit(static_cast<unsigned char>(name.front())) != 0;
    std::string found = is_text || is_constant ? name : config_.value("CONFIG_" + name);
    std::erase(found, is_text ? name.front() : '"');
    return found;
  }
  std::string shown(const std::string& name) const {
    return fmt::format("{} ({})", name, value(name));
  }

  std::string_view text_;
  const Config& config_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string blocking_symbols(std::string_view expression, const Config& config) {
  return Expression(expression, config).blockers();
}

}  // namespace rig::image
