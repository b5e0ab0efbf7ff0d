// SPDX-License-Identifier: Apache-2.0
// The architectures a guest can have. What each needs lives in the rooms' own tables.
#pragma once

#include <optional>
#include <string_view>

namespace rig {

enum class Arch { kX86_64, kArm64 };

constexpr std::string_view to_string(Arch arch) {
  return arch == Arch::kX86_64 ? "x86_64" : "arm64";
}

constexpr std::optional<Arch> parse_arch(std::string_view name) {
  if (name == "x86_64") return Arch::kX86_64;
  if (name == "arm64") return Arch::kArm64;
  return std::nullopt;
}

}  // namespace rig
