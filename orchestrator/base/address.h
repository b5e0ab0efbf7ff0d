// SPDX-License-Identifier: Apache-2.0
// Addresses of the guest. Physical and virtual ones cannot be mixed up, and neither is an integer.
#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstdint>

namespace rig {

enum class PhysAddr : std::uint64_t {};
enum class VirtAddr : std::uint64_t {};

template <typename T>
concept GuestAddress = std::same_as<T, PhysAddr> || std::same_as<T, VirtAddr>;

template <GuestAddress A>
constexpr std::uint64_t raw(A address) {
  return static_cast<std::uint64_t>(address);
}

// Arithmetic wraps, as the guest's does; whoever reads there checks the range.
template <GuestAddress A>
constexpr A operator+(A address, std::uint64_t offset) {
  return static_cast<A>(raw(address) + offset);
}
template <GuestAddress A>
constexpr A operator-(A address, std::uint64_t offset) {
  return static_cast<A>(raw(address) - offset);
}
template <GuestAddress A>
constexpr std::uint64_t operator-(A end, A begin) {
  return raw(end) - raw(begin);
}
template <GuestAddress A>
constexpr A& operator+=(A& address, std::uint64_t offset) {
  return address = address + offset;
}

}  // namespace rig

// Prints as 0xffff888003c0a000; a format spec given by the caller applies to the number.
template <rig::GuestAddress A>
struct fmt::formatter<A> : fmt::formatter<std::uint64_t> {
  template <typename Context>
  auto format(A address, Context& context) const {
    return fmt::format_to(context.out(), "{:#x}", rig::raw(address));
  }
};
