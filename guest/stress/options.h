// SPDX-License-Identifier: Apache-2.0
//
// The command line of a stress program, as a table: each option once, with the place that it fills.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

namespace rig::guest {

class Options {
 public:
  static constexpr int kUsage = 2;  // the exit code, as docs/SCENARIOS.md defines it

  // `program` is how messages call it.
  explicit Options(std::string program) : program_(std::move(program)) {}

  // `--name N`, within both limits.
  void number(const char* name, std::uint64_t& value, std::uint64_t least = 1,
              std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
  // `--name WHAT`; texts() may be given several times.
  void text(const char* name, const char* what, std::string& value);
  void texts(const char* name, const char* what, std::vector<std::string>& values);
  // `--name`.
  void flag(const char* name, bool& value);
  // A word that is no option, once.
  void argument(const char* what, std::string& value);

  // Fills in what was given. False: it was wrong, and what is right stands on stderr.
  bool parse(int argc, char** argv) const;
  // For what parse() cannot know, as two options that exclude each other: says so, and is kUsage.
  int refuse(const std::string& why) const;

  // The first thing that is wrong, or "".
  std::string read(int argc, char** argv) const;
  std::string usage() const;  // "load [--seconds N] [--disk-only]"

 private:
  struct Number {
    std::uint64_t* value;
    std::uint64_t least;
    std::uint64_t most;
  };
  struct Option {
    const char* name;
    const char* what;  // nullptr: a flag
    std::variant<Number, std::string*, std::vector<std::string>*, bool*> value;
  };

  const Option* find(const char* name) const;
  std::string take(const Option& option, const char* text) const;  // what is wrong, or ""

  const std::string program_;
  std::vector<Option> options_;
  const char* argument_ = nullptr;  // what it is
  std::string* argument_value_ = nullptr;
};

}  // namespace rig::guest
