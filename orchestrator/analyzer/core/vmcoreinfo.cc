// SPDX-License-Identifier: Apache-2.0
#include "analyzer/core/vmcoreinfo.h"

#include <charconv>

namespace rig::analyzer {
namespace {

// The whole of `text` as a number, or nothing.
template <typename T>
std::optional<T> parse(std::string_view text, int base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view without_prefix(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  return text;
}

std::string key(std::string_view kind, std::string_view name) {
  std::string result;
  result.reserve(kind.size() + name.size() + 2);
  return result.append(kind).append("(").append(name).append(")");
}

}  // namespace

Vmcoreinfo::Vmcoreinfo(std::string_view text) {
  // The note's descriptor may be padded with NULs to whatever its writer reserved.
  text_ = text.substr(0, text.find('\0'));
  std::string_view rest = text_;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    // A key that comes twice: the later one was appended by later code, and holds.
    values_.insert_or_assign(std::string(line.substr(0, equals)),
                             std::string(line.substr(equals + 1)));
  }
}

std::optional<std::string_view> Vmcoreinfo::value(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

std::optional<VirtAddr> Vmcoreinfo::symbol(std::string_view name) const {
  const auto text = value(key("SYMBOL", name));
  if (!text) return std::nullopt;
  const auto address = parse<std::uint64_t>(without_prefix(*text), 16);
  if (!address) return std::nullopt;
  return VirtAddr{*address};
}

std::optional<std::uint64_t> Vmcoreinfo::size(std::string_view type) const {
  const auto text = value(key("SIZE", type));
  return text ? parse<std::uint64_t>(*text, 10) : std::nullopt;
}

std::optional<std::uint64_t> Vmcoreinfo::offset(std::string_view member) const {
  const auto text = value(key("OFFSET", member));
  return text ? parse<std::uint64_t>(*text, 10) : std::nullopt;
}

// Most are decimal and signed (phys_base); arm64 writes kimage_voffset and others as 0x hex, where
// addresses use all 64 bits.
std::optional<std::int64_t> Vmcoreinfo::number(std::string_view name) const {
  const auto text = value(key("NUMBER", name));
  if (!text) return std::nullopt;
  if (const std::string_view digits = without_prefix(*text); digits.size() != text->size()) {
    const auto bits = parse<std::uint64_t>(digits, 16);
    return bits ? std::optional(static_cast<std::int64_t>(*bits)) : std::nullopt;
  }
  return parse<std::int64_t>(*text, 10);
}

std::optional<std::uint64_t> Vmcoreinfo::length(std::string_view name) const {
  const auto text = value(key("LENGTH", name));
  return text ? parse<std::uint64_t>(*text, 10) : std::nullopt;
}

}  // namespace rig::analyzer
