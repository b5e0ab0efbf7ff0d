// SPDX-License-Identifier: Apache-2.0
// Bounds- and overflow-checked access to bytes that we did not write: cores, consoles, guests lie.
// Everything is little-endian: x86_64 and arm64 both are, and so are their dump formats.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace rig {

using ByteView = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

static_assert(std::endian::native == std::endian::little, "hosts are x86_64 and arm64");

inline ByteView as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The part [offset, offset + size) of `bytes`, or nothing when it does not lie inside.
constexpr std::optional<ByteView> slice(ByteView bytes, std::uint64_t offset, std::uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(offset, size);
}

// The T (an integer or a packed plain struct) at `offset`, or nothing when it does not lie inside.
template <typename T>
requires std::is_trivially_copyable_v<T> std::optional<T> load(ByteView bytes,
                                                               std::uint64_t offset = 0) {
  const auto part = slice(bytes, offset, sizeof(T));
  if (!part) return std::nullopt;
  T value;
  std::memcpy(&value, part->data(), sizeof(T));
  return value;
}

// The text at `offset` up to its NUL, or nothing when there is no NUL within the bytes.
inline std::optional<std::string_view> load_c_string(ByteView bytes, std::uint64_t offset) {
  if (offset >= bytes.size()) return std::nullopt;
  const std::string_view text = as_text(bytes.subspan(offset));
  const auto end = text.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  return text.substr(0, end);
}

// Reads one value after another; nothing is read past the end, and position() tells how far it got.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  template <typename T>
  std::optional<T> next() {
    const auto value = load<T>(bytes_, position_);
    if (value) position_ += sizeof(T);
    return value;
  }
  std::optional<ByteView> take(std::uint64_t size) {
    const auto part = slice(bytes_, position_, size);
    if (part) position_ += size;
    return part;
  }
  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

 private:
  ByteView bytes_;
  std::size_t position_ = 0;
};

// value rounded up to a multiple of a power of two.
constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}
constexpr std::uint64_t align_down(std::uint64_t value, std::uint64_t alignment) {
  return value & ~(alignment - 1);
}

}  // namespace rig
