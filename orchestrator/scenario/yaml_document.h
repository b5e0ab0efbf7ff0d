// SPDX-License-Identifier: Apache-2.0
// A YAML file as a plain tree in which every value knows its place. Hides yaml-cpp, and refuses
// what yaml-cpp would accept in silence: keys given twice, anchors, tags, second documents.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace rig::scenario {

// Counted from 1.
struct Mark {
  int line = 1;
  int column = 1;
};

struct Field;

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  Mark mark;                   // of a null value: its key's
  std::string text;            // of a scalar
  std::vector<Node> items;     // of a list
  std::vector<Field> entries;  // of a map, in the file's order; no key occurs twice
};

struct Field {
  std::string key;
  Mark mark;
  Node value;
};

constexpr std::size_t kMaxYamlBytes = 1 << 20;
constexpr std::size_t kMaxYamlDepth = 32;

// Blame::kInput, "file:line:column: what is wrong". `file` is only shown, not opened.
Result<Node> parse_yaml(std::string_view text, std::string_view file);

}  // namespace rig::scenario
