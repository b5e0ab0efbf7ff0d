// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/options.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace rig::guest {

void Options::number(const char* name, std::uint64_t& value, std::uint64_t least,
                     std::uint64_t most) {
  options_.push_back({name, "N", Number{&value, least, most}});
}
void Options::text(const char* name, const char* what, std::string& value) {
  options_.push_back({name, what, &value});
}
void Options::texts(const char* name, const char* what, std::vector<std::string>& values) {
  options_.push_back({name, what, &values});
}
void Options::flag(const char* name, bool& value) {
  options_.push_back({name, nullptr, &value});
}

void Options::argument(const char* what, std::string& value) {
  argument_ = what;
  argument_value_ = &value;
}

const Options::Option* Options::find(const char* name) const {
  for (const Option& option : options_) {
    if (std::strcmp(option.name, name) == 0) return &option;
  }
  return nullptr;
}

std::string Options::take(const Option& option, const char* text) const {
  if (auto* const one = std::get_if<std::string*>(&option.value)) {
    **one = text;
    return {};
  }
  if (auto* const several = std::get_if<std::vector<std::string>*>(&option.value)) {
    (*several)->emplace_back(text);
    return {};
  }
  const Number& number = *std::get_if<Number>(&option.value);
  char* end = nullptr;
  errno = 0;
  const unsigned long long given = std::strtoull(text, &end, 10);
  if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && given >= number.least &&
      given <= number.most) {
    *number.value = given;
    return {};
  }
  std::string limits = std::to_string(number.least) + " or more";
  if (number.most != std::numeric_limits<std::uint64_t>::max()) {
    limits = std::to_string(number.least) + " to " + std::to_string(number.most);
  }
  return std::string(option.name) + " is a number, " + limits + ", and not '" + text + "'";
}

std::string Options::read(int argc, char** argv) const {
  for (int i = 1; i < argc; ++i) {
    const Option* const option = find(argv[i]);
    if (option == nullptr && argument_ != nullptr && argv[i][0] != '-') {
      if (!argument_value_->empty()) return std::string("there is more than one ") + argument_;
      *argument_value_ = argv[i];
      continue;
    }
    if (option == nullptr) return std::string("there is no option '") + argv[i] + "'";
    if (auto* const flag = std::get_if<bool*>(&option->value)) {
      **flag = true;
      continue;
    }
    if (++i == argc) return std::string(option->name) + " wants a value";
    if (std::string wrong = take(*option, argv[i]); !wrong.empty()) return wrong;
  }
  return {};
}

std::string Options::usage() const {
  std::string text = program_;
  for (const Option& option : options_) {
    text += std::string(" [") + option.name;
    if (option.what != nullptr) text += std::string(" ") + option.what;
    text += std::holds_alternative<std::vector<std::string>*>(option.value) ? "]..." : "]";
  }
  return argument_ != nullptr ? text + " [" + argument_ + "]" : text;
}

bool Options::parse(int argc, char** argv) const {
  const std::string wrong = read(argc, argv);
  if (wrong.empty()) return true;
  refuse(wrong);
  return false;
}

int Options::refuse(const std::string& why) const {
  std::fprintf(stderr, "%s: %s\nusage: %s\n", program_.c_str(), why.c_str(), usage().c_str());
  return kUsage;
}

}  // namespace rig::guest
