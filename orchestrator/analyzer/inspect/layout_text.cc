// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "analyzer/guest_json.h"
#include "analyzer/inspect/value_text.h"
#include "analyzer/symbols/btf_text.h"

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxLayoutDepth = 16;
constexpr std::size_t kMaxLines = 20'000;

// The anonymous struct or union that a member is, or is an array of: it is shown in place.
std::optional<TypeInfo> shown_in_place(const Btf& types, std::uint32_t id, std::string& suffix) {
  for (unsigned depth = 0; depth < kMaxLayoutDepth; ++depth) {
    const auto type = types.type(id);
    if (!type) return std::nullopt;
    if (type->has_members() && type->name.empty()) return type;
    const auto array = types.array(*type);
    if (!array) return std::nullopt;
    suffix += fmt::format("[{}]", array->count);
    id = array->element;
  }
  return std::nullopt;
}

class Layout {
 public:
  Layout(const Btf& types, const LayoutStyle& style, std::uint64_t size)
      : types_(types), style_(style) {
    if (style.offsets) width_ = place(size).size() + 2;
  }

  std::string members(const TypeInfo& owner, std::uint64_t bits, unsigned depth) {
    std::string text;
    if (depth == kMaxLayoutDepth) return text;
    for (std::uint32_t i = 0; i < owner.count; ++i) {
      const auto field = types_.field(owner, i);
      if (!field || ++lines_ > kMaxLines) return text + "...\n";
      std::string suffix;
      if (const auto inner = shown_in_place(types_, field->type, suffix)) {
        const auto name = std::string(field->name) + suffix;
        text += gap(depth) + (inner->kind == TypeKind::kUnion ? "union {\n" : "struct {\n");
        text += members(*inner, bits + field->bits, depth + 1);
        text += gap(depth) + (name.empty() ? "};\n" : "} " + name + ";\n");
        continue;
      }
      const std::uint64_t at = (bits + field->bits) / 8;
      std::string line = declaration(types_, field->type, field->name);
      if (field->bit_size != 0) line += fmt::format(" : {}", field->bit_size);
      text +=
          (style_.offsets ? fmt::format("{:>{}}", place(at), width_) + inset(depth) : gap(depth)) +
          line + ";\n";
    }
    return text;
  }

 private:
  std::string place(std::uint64_t offset) const {
    if (style_.at) return fmt::format("[{:x}]", raw(*style_.at + offset));
    return style_.hex ? fmt::format("[{:#x}]", offset) : fmt::format("[{}]", offset);
  }
  std::string inset(unsigned depth) const { return std::string(1 + depth * 4, ' '); }
  std::string gap(unsigned depth) const {
    return style_.offsets ? std::string(width_, ' ') + inset(depth)
                          : std::string(4 + depth * 4, ' ');
  }

  const Btf& types_;
  const LayoutStyle& style_;
  std::size_t width_ = 0;
  std::size_t lines_ = 0;
};

std::string enum_text(const Btf& types, const TypeInfo& type, bool hex_values) {
  std::string text = type_name(type) + " {\n";
  for (std::uint32_t i = 0; i < type.count; ++i) {
    const auto each = types.enumerator(type, i);
    if (!each) break;
    text += hex_values ? fmt::format("  {} = {:#x}\n", each->name, each->value)
                       : fmt::format("  {} = {}\n", each->name, each->value);
  }
  return text + "};\n";
}

std::string size_line(std::uint64_t size, bool hex_size) {
  return hex_size ? fmt::format("SIZE: {:#x}\n", size) : fmt::format("SIZE: {}\n", size);
}

boost::json::array members_json(const Btf& types, const TypeInfo& owner, std::uint64_t bits,
                                unsigned depth) {
  boost::json::array members;
  for (std::uint32_t i = 0; i < owner.count && depth < kMaxLayoutDepth; ++i) {
    const auto field = types.field(owner, i);
    if (!field) break;
    boost::json::object json;
    if (!field->name.empty()) json["name"] = utf8(field->name);
    json["type"] = utf8(declaration(types, field->type));
    json["offset"] = (bits + field->bits) / 8;
    if (field->bit_size != 0) {
      json["bit_offset"] = (bits + field->bits) % 8;
      json["bit_size"] = field->bit_size;
    }
    if (const auto size = types.size_of(field->type)) json["size"] = *size;
    std::string suffix;
    if (const auto inner = shown_in_place(types, field->type, suffix)) {
      json["members"] = members_json(types, *inner, bits + field->bits, depth + 1);
    }
    members.push_back(std::move(json));
  }
  return members;
}

}  // namespace

std::string layout_text(const Btf& types, std::uint32_t id, const LayoutStyle& style) {
  const auto type = types.type(id);
  if (!type) return "<unknown type>\n";
  if (type->is_enum()) return enum_text(types, *type, style.hex);
  const auto size = types.size_of(id);
  if (type->kind == TypeKind::kTypedef) {
    std::string suffix;
    const auto inner = shown_in_place(types, type->word, suffix);
    std::string text;
    if (inner) {
      text = fmt::format(
          "typedef {} {{\n{}}} {}{};\n", inner->kind == TypeKind::kUnion ? "union" : "struct",
          Layout(types, style, size.value_or(0)).members(*inner, 0, 0), type->name, suffix);
    } else {
      text = fmt::format("typedef {};\n", declaration(types, type->word, type->name));
    }
    return size ? text + size_line(*size, style.hex) : text;
  }
  if (!type->has_members()) {
    return declaration(types, id) + ";\n" + (size ? size_line(*size, style.hex) : "");
  }
  return fmt::format("{} {{\n{}}}\n{}", type_name(*type),
                     Layout(types, style, type->word).members(*type, 0, 0),
                     size_line(type->word, style.hex));
}

boost::json::object layout_json(const Btf& types, std::uint32_t id) {
  boost::json::object json;
  const auto type = types.type(id);
  if (!type) return json;
  json["type"] =
      utf8(type->kind == TypeKind::kTypedef ? std::string(type->name) : declaration(types, id));
  if (const auto size = types.size_of(id)) json["size"] = *size;
  const auto behind = types.resolved(id);
  if (type->kind == TypeKind::kTypedef) json["alias_of"] = utf8(declaration(types, type->word));
  if (behind && behind->has_members()) json["members"] = members_json(types, *behind, 0, 0);
  if (behind && behind->is_enum()) {
    boost::json::object values;
    for (std::uint32_t i = 0; i < behind->count; ++i) {
      if (const auto each = types.enumerator(*behind, i)) values[utf8(each->name)] = each->value;
    }
    json["values"] = std::move(values);
  }
  return json;
}

}  // namespace rig::analyzer
