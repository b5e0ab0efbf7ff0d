// SPDX-License-Identifier: Apache-2.0
#include "analyzer/inspect/value_tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "analyzer/symbols/btf_text.h"

namespace rig::analyzer {
namespace {

constexpr unsigned kMaxTreeDepth = 24;
constexpr std::size_t kMaxNodes = 50'000;
constexpr std::uint64_t kMaxShownElements = 4096;
constexpr std::uint64_t kMaxText = 200;
// include/linux/poison.h: LIST_POISON1, LIST_POISON2 with and without POISON_POINTER_DELTA.
constexpr std::uint64_t kListPoison[] = {0x100, 0x122, 0x200};
constexpr std::uint64_t kPoisonDelta = 0xdead'0000'0000'0000;

bool is_poison(std::uint64_t value) {
  return std::ranges::any_of(kListPoison, [&](std::uint64_t each) {
    return value == each || value == kPoisonDelta + each;
  });
}

// As gdb writes it: what is not printable in octal.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c >= 0x20 && c < 0x7f) {
      out += c;
    } else {
      out += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    }
  }
  return out + '"';
}

bool is_readable(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t'; });
}

class ValueDecoder {
 public:
  ValueDecoder(const Btf& types, const VirtMemory& memory, const ObjectBytes& object,
               const ValueStyle& style)
      : types_(types), memory_(memory), object_(object), style_(style) {}

  ValueNode value(std::uint32_t id, std::uint64_t offset, unsigned depth) {
    ValueNode node;
    node.type = declaration(types_, id);
    node.offset = offset;
    node.size = types_.size_of(id).value_or(0);
    const auto type = types_.resolved(id);
    if (!type) return with_text(node, "<unknown type>");
    if (++nodes_ > kMaxNodes || depth == 0) return with_text(node, "...");
    if (type->has_members()) return structure(*type, std::move(node), depth);
    if (type->kind == TypeKind::kArray) return array(*type, std::move(node), depth);
    if (const auto fault = object_.missing(offset, node.size)) {
      return with_text(node, placeholder(*fault));
    }
    const Member whole{offset, node.size, 0, 0, id, {}};
    return scalar(*type, whole, std::move(node));
  }

  ValueNode bit_field(std::uint32_t id, const Member& field) {
    ValueNode node;
    node.type = declaration(types_, id);
    node.offset = field.offset;
    node.size = field.size;
    node.bit_offset = field.bit_offset;
    node.bit_size = field.bit_size;
    const auto type = types_.resolved(id);
    if (!type) return with_text(node, "<unknown type>");
    if (const auto fault = object_.missing(field.offset, field.size)) {
      return with_text(node, placeholder(*fault));
    }
    return scalar(*type, field, std::move(node));
  }

 private:
  static ValueNode with_text(ValueNode node, std::string text) {
    node.text = std::move(text);
    return node;
  }

  std::string number_text(std::uint64_t value) const {
    return style_.hex ? fmt::format("{:#x}", value) : fmt::format("{}", value);
  }

  ValueNode structure(const TypeInfo& type, ValueNode node, unsigned depth) {
    node.shape = ValueNode::Shape::kStruct;
    for (std::uint32_t i = 0; i < type.count; ++i) {
      const auto field = types_.field(type, i);
      if (!field || nodes_ > kMaxNodes) {
        node.parts.push_back(with_text({}, "..."));
        break;
      }
      const std::uint64_t bits = field->bits;
      ValueNode part;
      if (field->bit_size != 0) {
        const auto bit = static_cast<unsigned>(bits % 8);
        const Member at{node.offset + bits / 8,
                        (bit + field->bit_size + 7) / 8,
                        bit,
                        field->bit_size,
                        field->type,
                        {}};
        part = bit_field(field->type, at);
      } else {
        part = value(field->type, node.offset + bits / 8, depth - 1);
      }
      part.name = field->name;
      node.parts.push_back(std::move(part));
    }
    if (type.name == "list_head") note_list(node);
    return node;
  }

  void note_list(ValueNode& node) const {
    if (node.parts.size() != 2 || !node.parts[0].number || !node.parts[1].number) return;
    const std::uint64_t self = raw(object_.at() + node.offset);
    const std::uint64_t next = *node.parts[0].number, prev = *node.parts[1].number;
    if (next == self && prev == self) {
      node.note = "(empty)";
    } else if (is_poison(next) && is_poison(prev)) {
      node.note = "(poisoned)";
    } else if (next == self || prev == self) {
      node.note = "(broken: only one side points to itself)";
    }
  }

  ValueNode array(const TypeInfo& type, ValueNode node, unsigned depth) {
    node.shape = ValueNode::Shape::kArray;
    const auto array = types_.array(type);
    const auto size = array ? types_.size_of(array->element) : std::nullopt;
    if (!array || !size) return with_text(std::move(node), "<unknown type>");
    if (is_character(array->element) && array->count != 0) return text_array(std::move(node));
    for (std::uint64_t i = 0; i < array->count;) {
      if (i >= kMaxShownElements || nodes_ > kMaxNodes) {
        node.parts.push_back(with_text({}, fmt::format("... {} more", array->count - i)));
        break;
      }
      const std::uint64_t at = node.offset + i * *size;
      const auto same = run(at, *size, array->count - i);
      node.parts.push_back(value(array->element, at, depth - 1));
      node.parts.back().repeats = same;
      i += same;
    }
    return node;
  }

  // How many elements from the one at `at` on have its very bytes.
  std::uint64_t run(std::uint64_t at, std::uint64_t size, std::uint64_t most) const {
    const auto first = slice(object_.bytes(), at, size);
    if (!first || size == 0) return size == 0 ? most : 1;
    const bool hole = object_.missing(at, size).has_value();
    std::uint64_t same = 1;
    for (; same < most; ++same) {
      const auto next = slice(object_.bytes(), at + same * size, size);
      if (!next || std::memcmp(first->data(), next->data(), size) != 0) break;
      if (object_.missing(at + same * size, size).has_value() != hole) break;
    }
    return same;
  }

  bool is_character(std::uint32_t id) const {
    const auto type = types_.resolved(id);
    if (!type || type->kind != TypeKind::kInt || type->word != 1) return false;
    return type->name == "char" || type->name == "signed char" || type->name == "unsigned char";
  }

  // A char array; bytes that are no text are shown as numbers would be, in hexadecimal.
  ValueNode text_array(ValueNode node) const {
    node.shape = ValueNode::Shape::kScalar;
    if (const auto fault = object_.missing(node.offset, node.size)) {
      return with_text(std::move(node), placeholder(*fault));
    }
    const auto bytes = slice(object_.bytes(), node.offset, node.size);
    if (!bytes) return with_text(std::move(node), "...");
    std::string_view text = as_text(*bytes);
    const auto last = text.find_last_not_of('\0');
    text = text.substr(0, last == text.npos ? 0 : last + 1);
    if (is_readable(text) || node.type.starts_with("char")) {
      return with_text(std::move(node),
                       in_quotes(text.substr(0, kMaxText)) + (text.size() > kMaxText ? "..." : ""));
    }
    std::string hex;
    for (std::size_t i = 0; i < std::min<std::size_t>(bytes->size(), kMaxText); ++i) {
      hex += fmt::format("{}{:#x}", i ? ", " : "", static_cast<unsigned char>((*bytes)[i]));
    }
    return with_text(std::move(node), "{" + hex + (bytes->size() > kMaxText ? ", ..." : "") + "}");
  }

  ValueNode scalar(const TypeInfo& type, const Member& at, ValueNode node) {
    node.number = extract(at, object_.bytes());
    if (!node.number) return with_text(std::move(node), wide(at));
    const std::uint64_t value = *node.number;
    switch (type.kind) {
      case TypeKind::kPointer:
        return pointer(type, std::move(node));
      case TypeKind::kEnum:
      case TypeKind::kEnum64:
        return with_text(std::move(node), enumerator(type, at));
      case TypeKind::kInt:
        return with_text(std::move(node), integer(type, at, value));
      default:
        return with_text(std::move(node), fmt::format("<{}>", type_name(type)));
    }
  }

  // __int128 and what else has no 64-bit value.
  std::string wide(const Member& at) const {
    const auto bytes = slice(object_.bytes(), at.offset, at.size);
    if (!bytes || bytes->empty()) return "<unknown type>";
    std::string text = "0x";
    for (std::size_t i = bytes->size(); i-- > 0;) {
      text += fmt::format("{:02x}", static_cast<unsigned char>((*bytes)[i]));
    }
    return text;
  }

  static std::int64_t sign_extended(std::uint64_t value, const Member& at) {
    const unsigned bits = at.bit_size != 0 ? at.bit_size : static_cast<unsigned>(at.size * 8);
    if (bits == 0 || bits >= 64) return static_cast<std::int64_t>(value);
    return static_cast<std::int64_t>(value << (64 - bits)) >> (64 - bits);
  }

  std::string integer(const TypeInfo& type, const Member& at, std::uint64_t value) const {
    const auto what = types_.integer(type);
    if (what && what->is_bool && value <= 1) return value != 0 ? "true" : "false";
    if (style_.hex) return fmt::format("{:#x}", value);
    std::string text = what && what->is_signed ? fmt::format("{}", sign_extended(value, at))
                                               : fmt::format("{}", value);
    if (at.size == 1 && at.bit_size == 0 && value >= 0x20 && value < 0x7f &&
        type.name.find("char") != type.name.npos) {
      text += fmt::format(" '{}'", static_cast<char>(value));
    }
    return text;
  }

  // By name; a value that is several flags as all of them, with what is left.
  std::string enumerator(const TypeInfo& type, const Member& at) const {
    const std::int64_t value = sign_extended(*extract(at, object_.bytes()), at);
    const auto as_unsigned = static_cast<std::uint64_t>(value);
    std::string flags;
    std::uint64_t left = as_unsigned;
    const bool narrow = type.kind == TypeKind::kEnum && !type.flag;
    if (narrow) left &= 0xffff'ffff;
    for (std::uint32_t i = 0; i < type.count; ++i) {
      const auto each = types_.enumerator(type, i);
      if (!each) break;
      if (each->value == value ||
          (narrow && static_cast<std::uint32_t>(each->value) == left && flags.empty())) {
        return std::string(each->name);
      }
      const auto bit = static_cast<std::uint64_t>(each->value);
      if (!std::has_single_bit(bit) || (left & bit) == 0) continue;
      flags += (flags.empty() ? "" : " | ") + std::string(each->name);
      left &= ~bit;
    }
    if (flags.empty()) return fmt::format("{}", value);
    return left == 0 ? "(" + flags + ")" : fmt::format("({} | {:#x})", flags, left);
  }

  ValueNode pointer(const TypeInfo& type, ValueNode node) const {
    node.text = fmt::format("{:#x}", *node.number);
    const VirtAddr target{*node.number};
    if (raw(target) == 0) return node;
    if (style_.pointee) node.note = style_.pointee(target);
    const auto to = types_.resolved(type.word);
    if (to && to->kind == TypeKind::kInt && to->name == "char") {
      const std::string text = memory_.c_string(target, kMaxText);
      if (!text.empty() && is_readable(text)) {
        node.note += (node.note.empty() ? "" : " ") + in_quotes(text) +
                     (text.size() == kMaxText ? "..." : "");
      }
    }
    return node;
  }

  const Btf& types_;
  const VirtMemory& memory_;
  const ObjectBytes& object_;
  const ValueStyle& style_;
  std::size_t nodes_ = 0;
};

}  // namespace

ValueNode decode_value(const Btf& types, std::uint32_t type, const VirtMemory& memory,
                       const ObjectBytes& object, std::uint64_t offset, const ValueStyle& style) {
  return ValueDecoder(types, memory, object, style).value(type, offset, kMaxTreeDepth);
}

ValueNode decode_bit_field(const Btf& types, std::uint32_t type, const VirtMemory& memory,
                           const ObjectBytes& object, const Member& field,
                           const ValueStyle& style) {
  return ValueDecoder(types, memory, object, style).bit_field(type, field);
}

}  // namespace rig::analyzer
