// SPDX-License-Identifier: Apache-2.0
#include "kdump/device_tree.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>

namespace rig::kdump {
namespace {

constexpr std::uint32_t kTreeMagic = 0xd00d'feed;
constexpr std::uint32_t kTreeVersion = 17, kTreeCompatible = 16;
enum Token : std::uint32_t {
  kBeginNode = 1,
  kEndNode = 2,
  kProperty = 3,
  kNop = 4,
  kEnd = 9,
};
// Of the header, in words.
enum Field : unsigned {
  kMagicField,
  kTotalSize,
  kStructOffset,
  kStringsOffset,
  kReservedOffset,
  kVersionField,
  kCompatibleField,
  kBootCpu,
  kStringsSize,
  kStructSize,
  kFields,
};
constexpr unsigned kChosenDepth = 2;  // the root is at 1

std::uint32_t swapped(std::uint32_t value) {
  return __builtin_bswap32(value);
}

void append_word(std::string& out, std::uint32_t value) {
  const std::uint32_t big = swapped(value);
  out += as_text(std::as_bytes(std::span(&big, 1)));
}

void append_padded(std::string& out, std::string_view bytes) {
  out += bytes;
  out.resize(align_up(out.size(), 4));
}

tl::unexpected<Error> damaged_tree(std::string_view what) {
  return fail(Blame::kRig, "the guest's device tree is damaged: {}", what);
}

// Copies the structure block token by token.
class Rewriter {
 public:
  Rewriter(ByteView tokens, ByteView strings, std::span<const TreeProperty> properties)
      : reader_(tokens), strings_(strings), properties_(properties) {}

  Status run() {
    while (true) {
      const auto token = next();
      if (!token) return damaged_tree("it ends within its structure");
      if (*token == kEnd) break;
      RIG_TRY(copy(*token));
    }
    append_word(structure, kEnd);
    if (!found_) return damaged_tree("it has no /chosen");
    return {};
  }

  std::string structure;
  std::string names;  // to follow those that the tree has

 private:
  std::optional<std::uint32_t> next() {
    const auto word = reader_.next<std::uint32_t>();
    return word ? std::optional(swapped(*word)) : std::nullopt;
  }
  std::optional<std::string_view> take(std::uint64_t size) {
    const auto bytes = reader_.take(align_up(size, 4));
    return bytes ? std::optional(as_text(*bytes).substr(0, size)) : std::nullopt;
  }

  Status copy(std::uint32_t token) {
    switch (token) {
      case kBeginNode:
        return copy_begin();
      case kEndNode:
        if (depth_ == 0) return damaged_tree("a node ends that did not begin");
        if (depth_-- == kChosenDepth) chosen_ = false;
        append_word(structure, kEndNode);
        return {};
      case kProperty:
        return copy_property();
      case kNop:
        return {};
      default:
        return damaged_tree("an unknown token");
    }
  }

  Status copy_begin() {
    std::string name;
    for (bool ended = false; !ended;) {
      const auto part = take(4);
      if (!part) return damaged_tree("a name without an end");
      name += *part;
      ended = part->find('\0') != std::string_view::npos;
    }
    append_word(structure, kBeginNode);
    structure += name;
    ++depth_;
    if (depth_ == kChosenDepth && name.substr(0, name.find('\0')) == "chosen") add_properties();
    return {};
  }

  void add_properties() {
    chosen_ = found_ = true;
    for (const TreeProperty& property : properties_) {
      append_word(structure, kProperty);
      append_word(structure, static_cast<std::uint32_t>(property.value.size()));
      append_word(structure, static_cast<std::uint32_t>(strings_.size() + names.size()));
      append_padded(structure, property.value);
      names += property.name + '\0';
    }
  }

  Status copy_property() {
    const auto size = next();
    const auto name_at = next();
    const auto value = size && name_at ? take(*size) : std::nullopt;
    const auto name = name_at ? load_c_string(strings_, *name_at) : std::nullopt;
    if (!value || !name) return damaged_tree("a property that is not whole");
    const bool replaced = chosen_ && depth_ == kChosenDepth &&
                          std::any_of(properties_.begin(), properties_.end(),
                                      [&](const TreeProperty& each) { return each.name == *name; });
    if (replaced) return {};
    append_word(structure, kProperty);
    append_word(structure, *size);
    append_word(structure, *name_at);
    append_padded(structure, *value);
    return {};
  }

  ByteReader reader_;
  ByteView strings_;
  std::span<const TreeProperty> properties_;
  unsigned depth_ = 0;
  bool chosen_ = false;  // within it
  bool found_ = false;
};

// The list of reserved memory, with its end: pairs of 64-bit numbers, the last of them zero.
std::optional<std::string_view> reserved_of(ByteView tree, std::uint32_t offset) {
  for (std::uint64_t at = offset;; at += 16) {
    const auto address = load<std::uint64_t>(tree, at);
    const auto size = load<std::uint64_t>(tree, at + 8);
    if (!address || !size) return std::nullopt;
    if (*address == 0 && *size == 0) return as_text(tree.subspan(offset, at + 16 - offset));
  }
}

}  // namespace

std::string tree_numbers(std::initializer_list<std::uint64_t> numbers) {
  std::string value;
  for (const std::uint64_t number : numbers) {
    append_word(value, static_cast<std::uint32_t>(number >> 32));
    append_word(value, static_cast<std::uint32_t>(number));
  }
  return value;
}

Result<std::string> with_chosen(ByteView tree, std::span<const TreeProperty> properties) {
  std::uint32_t head[kFields];
  for (unsigned i = 0; i < kFields; ++i) {
    const auto word = load<std::uint32_t>(tree, i * sizeof(std::uint32_t));
    if (!word) return damaged_tree("it is cut short");
    head[i] = swapped(*word);
  }
  if (head[kMagicField] != kTreeMagic || head[kCompatibleField] > kTreeVersion) {
    return damaged_tree("it is none, or of a version that is not known");
  }
  const auto structure = slice(tree, head[kStructOffset], head[kStructSize]);
  const auto strings = slice(tree, head[kStringsOffset], head[kStringsSize]);
  const auto reserved = reserved_of(tree, head[kReservedOffset]);
  if (!structure || !strings || !reserved) return damaged_tree("its parts are not in it");
  Rewriter rewriter(*structure, *strings, properties);
  RIG_TRY(rewriter.run());

  head[kReservedOffset] = kFields * sizeof(std::uint32_t);
  head[kStructOffset] = head[kReservedOffset] + static_cast<std::uint32_t>(reserved->size());
  head[kStructSize] = static_cast<std::uint32_t>(rewriter.structure.size());
  head[kStringsOffset] = head[kStructOffset] + head[kStructSize];
  head[kStringsSize] = static_cast<std::uint32_t>(strings->size() + rewriter.names.size());
  head[kTotalSize] = head[kStringsOffset] + head[kStringsSize];
  head[kVersionField] = kTreeVersion;
  head[kCompatibleField] = kTreeCompatible;
  std::string out;
  for (const std::uint32_t word : head) append_word(out, word);
  out += *reserved;
  out += rewriter.structure;
  out += as_text(*strings);
  return out + rewriter.names;
}

}  // namespace rig::kdump
