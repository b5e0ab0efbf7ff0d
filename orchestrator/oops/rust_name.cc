// SPDX-License-Identifier: Apache-2.0
#include "oops/rust_name.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

namespace rig::oops {
namespace {

// Back references let a short symbol ask for any amount of work, with or without output.
constexpr int kMaxDepth = 40;
constexpr int kMaxSteps = 2000;
constexpr std::size_t kMaxName = 400;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Demangler {
 public:
  explicit Demangler(std::string_view text) : text_(text) {}

  // In types generic arguments follow their path without "::".
  enum class Within { kValue, kType };

  bool path(Within within = Within::kValue) {
    if (++depth_ > kMaxDepth || ++steps_ > kMaxSteps || out_.size() > kMaxName) return false;
    const bool done = path_of(next(), within);
    --depth_;
    return done;
  }
  std::string take() { return std::move(out_); }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char next() { return at_ < text_.size() ? text_[at_++] : '\0'; }
  bool eat(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }

  bool path_of(char tag, Within within) {
    switch (tag) {
      case 'C':
        return identifier();
      case 'M':  // an implementation of its own
        return impl_path() && put("<") && type() && put(">");
      case 'X':  // of a trait
        return impl_path() && as_trait();
      case 'Y':
        return as_trait();
      case 'N':
        return nested(within);
      case 'I':
        return path(within) && put(within == Within::kValue ? "::<" : "<") &&
               list([this] { return generic_argument(); }) && put(">");
      case 'B':
        return backwards([this, within] { return path(within); });
      default:
        return false;
    }
  }

  // What stands up to an 'E', with commas between.
  template <typename Read>
  bool list(Read read) {
    for (bool first = true; !eat('E'); first = false) {
      if ((!first && !put(", ")) || !read()) return false;
    }
    return true;
  }

  bool as_trait() { return put("<") && type() && put(" as ") && path(Within::kType) && put(">"); }

  // "a::b", "a::{closure#0}".
  bool nested(Within within) {
    const char space = next();
    if (!path(within)) return false;
    if (space < 'A' || space > 'Z') return put("::") && identifier();
    put("::{");
    if (space == 'C') {
      put("closure");
    } else if (space == 'S') {
      put("shim");
    } else {
      put({&space, 1});
    }
    const auto number = disambiguator();
    const std::size_t before = out_.size();
    put(":");
    if (!number || !plain_identifier()) return false;
    if (out_.size() == before + 1) out_.pop_back();  // most have no name
    return put("#") && put(std::to_string(*number)) && put("}");
  }

  // Says where an implementation stands, which its name does not tell.
  bool impl_path() {
    const std::size_t kept = out_.size();
    const bool done = disambiguator() && path(Within::kType);
    out_.resize(kept);
    return done;
  }

  bool generic_argument() {
    if (eat('L')) return base62() && put("'_");
    return eat('K') ? constant() : type();
  }

  // The value of a constant argument: "p" for one that is left open, else a type and hexadecimal
  // digits.
  bool constant() {
    if (eat('p')) return put("_");
    if (eat('B')) {
      return backwards([this] { return constant(); });
    }
    const char type = next();
    const bool negative = eat('n');
    std::uint64_t value = 0;
    const std::size_t end = text_.find('_', at_);
    if (end == std::string_view::npos) return false;
    const char* last = text_.data() + end;
    const auto [stop, error] = std::from_chars(text_.data() + at_, last, value, 16);
    const bool empty = at_ == end;
    if (!empty && (stop != last || error != std::errc())) return false;
    at_ = end + 1;
    if (type == 'b') return put(value == 0 ? "false" : "true");
    if (type == 'c') return put("'" + std::string(1, static_cast<char>(value)) + "'");
    return put((negative ? "-" : "") + std::to_string(value));
  }

  bool type() {
    if (++depth_ > kMaxDepth || ++steps_ > kMaxSteps || out_.size() > kMaxName) return false;
    const bool done = type_of(next());
    --depth_;
    return done;
  }

  bool type_of(char tag) {
    if (tag >= 'a' && tag <= 'z') return basic(tag);
    switch (tag) {
      case 'A':
        return put("[") && type() && put("; ") && constant() && put("]");
      case 'S':
        return put("[") && type() && put("]");
      case 'T':
        return put("(") && tuple() && put(")");
      case 'R':
      case 'Q':
        if (eat('L') && !base62()) return false;
        return put(tag == 'R' ? "&" : "&mut ") && type();
      case 'P':
        return put("*const ") && type();
      case 'O':
        return put("*mut ") && type();
      case 'B':
        return backwards([this] { return type(); });
      case '\0':
        return false;
      default:  // functions and trait objects have no plain form here
        if (tag == 'F' || tag == 'D') return false;
        return path_of(tag, Within::kType);
    }
  }

  bool tuple() {
    std::size_t count = 0;
    const bool done = list([this, &count] {
      ++count;
      return type();
    });
    return done && (count != 1 || put(","));
  }

  bool basic(char tag) {
    struct Basic {
      char tag;
      std::string_view name;
    };
    static constexpr std::array<Basic, 21> kBasics = {
        {{'a', "i8"},   {'b', "bool"},  {'c', "char"},  {'d', "f64"}, {'e', "str"}, {'f', "f32"},
         {'h', "u8"},   {'i', "isize"}, {'j', "usize"}, {'l', "i32"}, {'m', "u32"}, {'n', "i128"},
         {'o', "u128"}, {'s', "i16"},   {'t', "u16"},   {'u', "()"},  {'v', "..."}, {'x', "i64"},
         {'y', "u64"},  {'z', "!"},     {'p', "_"}}};
    for (const Basic& basic : kBasics) {
      if (basic.tag == tag) return put(basic.name);
    }
    return false;
  }

  template <typename Read>
  bool backwards(Read read) {
    const std::size_t from = at_ - 1;
    const auto target = base62();
    if (!target || *target >= from) return false;
    const std::size_t kept = std::exchange(at_, static_cast<std::size_t>(*target));
    const bool done = read();
    at_ = kept;
    return done;
  }

  std::optional<std::uint64_t> disambiguator() {
    if (!eat('s')) return 0;
    const auto number = base62();
    if (!number) return std::nullopt;
    return *number + 1;
  }

  bool identifier() { return disambiguator() && plain_identifier(); }

  bool plain_identifier() {
    eat('u');
    if (!is_digit(peek())) return false;
    std::size_t length = 0;
    if (!eat('0')) {
      while (is_digit(peek()) && length < kMaxName)
        length = length * 10 + static_cast<std::size_t>(next() - '0');
    }
    eat('_');
    if (length > text_.size() - at_) return false;
    put(text_.substr(at_, length));
    at_ += length;
    return true;
  }

  // "_" is 0, "0_" is 1.
  std::optional<std::uint64_t> base62() {
    if (eat('_')) return 0;
    std::uint64_t value = 0;
    for (int digits = 0; digits < 12; ++digits) {
      const char c = next();
      if (c == '_') return value + 1;
      if (is_digit(c)) {
        value = value * 62 + static_cast<std::uint64_t>(c - '0');
      } else if (c >= 'a' && c <= 'z') {
        value = value * 62 + 10 + static_cast<std::uint64_t>(c - 'a');
      } else if (c >= 'A' && c <= 'Z') {
        value = value * 62 + 36 + static_cast<std::uint64_t>(c - 'A');
      } else {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  bool put(std::string_view text) {
    out_ += text;
    return out_.size() <= kMaxName;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int steps_ = 0;
  std::string out_;
};

}  // namespace

std::optional<std::string> rust_name(std::string_view symbol) {
  if (!symbol.starts_with("_R") || symbol.size() < 4) return std::nullopt;
  Demangler demangler(symbol.substr(2));
  if (!demangler.path()) return std::nullopt;
  return demangler.take();
}

}  // namespace rig::oops
