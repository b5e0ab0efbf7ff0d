// SPDX-License-Identifier: Apache-2.0
// Values and layouts of types in words, close to what gdb and crash print, and as JSON.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "analyzer/inspect/value_tree.h"

namespace rig::analyzer {

// "name = value" with nested parts on lines of their own, indented by `indent`; no newline at the
// end. A node without a name is the value alone.
std::string value_text(const ValueNode& node, unsigned indent);

// {"name", "type", "offset", "size", "value"}; a struct's value is an array of its members.
boost::json::object value_json(const ValueNode& node);

struct LayoutStyle {
  bool offsets = false;
  bool hex = false;
  std::optional<VirtAddr> at;  // with offsets: members' addresses instead
};

// The definition of a struct, union, enum or typedef, with "SIZE:" where it has one.
std::string layout_text(const Btf& types, std::uint32_t id, const LayoutStyle& style);
boost::json::object layout_json(const Btf& types, std::uint32_t id);

}  // namespace rig::analyzer
