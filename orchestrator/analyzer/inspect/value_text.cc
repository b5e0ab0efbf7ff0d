// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/value_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "analyzer/guest_json.h"

namespace rig::analyzer {
namespace {

// As gdb's "print repeats".
constexpr std::uint64_t kRepeats = 10;

bool is_list(const ValueNode& node) {
  return node.type == "struct list_head" && node.parts.size() == 2;
}

std::string with_note(const ValueNode& node, std::string text) {
  return node.note.empty() ? text : text + " " + node.note;
}

std::string struct_text(const ValueNode& node, unsigned indent) {
  // Both links of a list belong together.
  if (is_list(node)) {
    return fmt::format("{{next = {}, prev = {}}}", with_note(node.parts[0], node.parts[0].text),
                       with_note(node.parts[1], node.parts[1].text));
  }
  if (node.parts.empty()) return "{}";
  std::string text = "{\n";
  for (std::size_t i = 0; i < node.parts.size(); ++i) {
    text += value_text(node.parts[i], indent + 2);
    text += i + 1 < node.parts.size() ? ",\n" : "\n";
  }
  return text + std::string(indent, ' ') + "}";
}

// The value alone.
std::string bare_text(const ValueNode& node, unsigned indent) {
  if (node.shape == ValueNode::Shape::kScalar || !node.text.empty()) return node.text;
  if (node.shape == ValueNode::Shape::kStruct) return struct_text(node, indent);
  std::string text = "{";
  for (const ValueNode& part : node.parts) {
    const std::string each = with_note(part, bare_text(part, indent + 2));
    const std::uint64_t times = part.repeats >= kRepeats ? 1 : part.repeats;
    for (std::uint64_t i = 0; i < times; ++i) text += (text.size() > 1 ? ", " : "") + each;
    if (part.repeats >= kRepeats) text += fmt::format(" <repeats {} times>", part.repeats);
  }
  return text + "}";
}

boost::json::value bare_json(const ValueNode& node) {
  if (node.shape == ValueNode::Shape::kScalar || !node.text.empty())
    return boost::json::value(utf8(node.text));
  boost::json::array parts;
  for (const ValueNode& part : node.parts) parts.push_back(value_json(part));
  return parts;
}

}  // namespace

std::string value_text(const ValueNode& node, unsigned indent) {
  std::string text(indent, ' ');
  if (!node.name.empty()) text += node.name + " = ";
  return with_note(node, text + bare_text(node, indent));
}

boost::json::object value_json(const ValueNode& node) {
  boost::json::object json;
  if (!node.name.empty()) json["name"] = utf8(node.name);
  json["type"] = utf8(node.type);
  json["offset"] = node.offset;
  json["size"] = node.size;
  if (node.bit_size != 0) {
    json["bit_offset"] = node.bit_offset;
    json["bit_size"] = node.bit_size;
  }
  json["value"] = bare_json(node);
  // As text: JSON's numbers lose the lower bits of 64.
  if (node.number) json["number"] = hex(*node.number);
  if (!node.note.empty()) json["note"] = utf8(node.note);
  if (node.repeats > 1) json["repeats"] = node.repeats;
  return json;
}

}  // namespace rig::analyzer
