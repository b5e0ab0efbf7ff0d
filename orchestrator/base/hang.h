// SPDX-License-Identifier: Apache-2.0
// What a guest that goes on no more still does: what the rig tells, scenarios expect and records
// keep.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rig {

enum class HangKind {
  kHard,  // no program runs any more, not even the agent
  kSoft,  // the agent goes on, the load does not
  kBoot,  // the kernel has not come as far as the agent
};

struct NamedHangKind {
  std::string_view name;
  HangKind kind;
};
inline constexpr NamedHangKind kHangKinds[] = {
    {"hard", HangKind::kHard}, {"soft", HangKind::kSoft}, {"boot", HangKind::kBoot}};

constexpr std::string_view to_string(HangKind kind) {
  for (const NamedHangKind& each : kHangKinds) {
    if (each.kind == kind) return each.name;
  }
  return "unknown";
}

constexpr std::optional<HangKind> parse_hang_kind(std::string_view name) {
  for (const NamedHangKind& each : kHangKinds) {
    if (each.name == name) return each.kind;
  }
  return std::nullopt;
}

}  // namespace rig
