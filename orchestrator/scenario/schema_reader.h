// SPDX-License-Identifier: Apache-2.0
// Reads a YAML tree strictly. Problems are collected, so that one look at a file shows all that is
// wrong with it; every reading function returns a usable default after it has noted a problem.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "scenario/yaml_document.h"

namespace rig::scenario {

// What is wrong with one file, each with its place.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  void add(Mark mark, std::string what) { problems_.push_back({mark, std::move(what)}); }
  bool empty() const { return problems_.empty(); }

  // One line per problem, in the file's order; an error only if there is any.
  Status status() const;

 private:
  struct Problem {
    Mark mark;
    std::string what;
  };
  std::string file_;
  std::vector<Problem> problems_;
};

// What a message says was found: "a list", "'x86_64'", "nothing".
std::string describe(const Node& node);

// Values. Each notes a problem and returns nothing when the value is not of the kind. `what` names
// it in messages: "'cpus'", "variant 'faulty'".
std::optional<std::string> read_text(const Node& node, std::string_view what, Problems& problems);
std::optional<std::string> read_name(const Node& node, std::string_view what, Problems& problems);
std::optional<std::uint64_t> read_number(
    const Node& node, std::string_view what, Problems& problems, std::uint64_t min = 0,
    std::uint64_t max = std::numeric_limits<std::uint64_t>::max());
std::optional<std::uint64_t> read_bytes(const Node& node, std::string_view what,
                                        Problems& problems);
std::optional<std::chrono::milliseconds> read_duration(const Node& node, std::string_view what,
                                                       Problems& problems);
// One of `valid`; any other text gets the nearest of them.
std::optional<std::string> read_choice(const Node& node, std::string_view what,
                                       std::span<const std::string> valid, Problems& problems);
// The items of a list; empty after a problem. `example` shows how one is written: "[a, b]".
std::span<const Node> read_list(const Node& node, std::string_view what, std::string_view example,
                                Problems& problems);

// A map with known keys. The keys that the code asks for are the valid ones: finish() notes all
// others as unknown, with the nearest valid one.
class MapReader {
 public:
  // `what` is how messages call the map: "the scenario", "detector 'slub'". Null counts as empty.
  MapReader(const Node& node, std::string what, Problems& problems);

  // The key's value, or null if it is not given.
  const Node* find(std::string_view key);
  // The same; a key that is not given is a problem.
  const Node* require(std::string_view key);
  // Notes as a fault of ours that the code never asks for this key of its own format.
  void expect_asked(std::string_view key);
  void finish();

  Mark mark() const { return node_.mark; }

 private:
  const Node& node_;
  std::string what_;
  Problems& problems_;
  std::vector<std::string> asked_;
  bool is_map_;
};

// The entries of a map whose keys are names that the file's author chose; empty after a problem.
std::span<const Field> read_named(const Node& node, std::string_view what, Problems& problems);

}  // namespace rig::scenario
