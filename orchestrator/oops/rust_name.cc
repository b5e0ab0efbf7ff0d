// SPDX-License-Identifier: Apache-2.0
#include "oops/rust_name.h"

#include <array>
#include <cstdint>
#include <utility>

namespace rig::oops {
namespace {

constexpr int kMaxDepth = 40;
constexpr std::size_t kMaxName = 400;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Demangler {
 public:
  explicit Demangler(std::string_view text) : text_(text) {}

  bool path() {
    if (++depth_ > kMaxDepth || out_.size() > kMaxName) return false;
    const bool done = path_of(next());
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

  bool path_of(char tag) {
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
        return nested();
      case 'I':
        if (!path()) return false;
        while (!eat('E')) {
          if (!generic_argument()) return false;
        }
        return true;
      case 'B':
        return backwards([this] { return path(); });
      default:
        return false;
    }
  }

  bool as_trait() { return put("<") && type() && put(" as ") && path() && put(">"); }

  bool nested() {
    const char space = next();
    if (!path()) return false;
    const bool special = space >= 'A' && space <= 'Z';
    put(special ? "::{" : "::");
    if (special) put(space == 'C' ? "closure" : "shim");
    return identifier() && (!special || put("}"));
  }

  // Says where an implementation stands, which its name does not tell.
  bool impl_path() {
    disambiguator();
    const std::string kept = out_;
    const bool done = path();
    out_ = kept;
    return done;
  }

  bool generic_argument() {
    const std::string kept = out_;
    bool done = false;
    if (eat('L')) {
      done = base62().has_value();
    } else {
      done = eat('K') ? constant() : type();
    }
    out_ = kept;
    return done;
  }

  bool constant() {
    if (eat('p')) return true;
    if (eat('B')) return base62().has_value();
    next();  // a basic type
    eat('n');
    while (peek() != '_' && peek() != '\0') ++at_;
    return eat('_');
  }

  bool type() {
    if (++depth_ > kMaxDepth || out_.size() > kMaxName) return false;
    const bool done = type_of(next());
    --depth_;
    return done;
  }

  bool type_of(char tag) {
    if (tag >= 'a' && tag <= 'z') return basic(tag);
    switch (tag) {
      case 'A':
        return put("[") && type() && constant() && put("]");
      case 'S':
        return put("[") && type() && put("]");
      case 'T':
        put("(");
        while (!eat('E')) {
          if (!type()) return false;
        }
        return put(")");
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
        return path_of(tag);
    }
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

  void disambiguator() {
    if (eat('s')) base62();
  }

  bool identifier() {
    disambiguator();
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
