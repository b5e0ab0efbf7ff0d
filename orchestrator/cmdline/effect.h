// SPDX-License-Identifier: Apache-2.0
// What became of a parameter in a guest, and how we know.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rig::cmdline {

enum class State {
  kEffective,     // there is something for it to act on, and that is as it asks
  kIneffective,   // it is not as it asks, or there is nothing for it to act on
  kUnknown,       // the kernel does not know it
  kNotCheckable,  // the kernel took it without complaint; what came of it cannot be seen
};

struct NamedState {
  std::string_view name;
  State state;
};
inline constexpr NamedState kStates[] = {{"effective", State::kEffective},
                                         {"ineffective", State::kIneffective},
                                         {"unknown-to-kernel", State::kUnknown},
                                         {"not-checkable", State::kNotCheckable}};
constexpr std::string_view to_string(State state) {
  for (const NamedState& each : kStates) {
    if (each.state == state) return each.name;
  }
  return "unknown";
}
constexpr std::optional<State> parse_state(std::string_view name) {
  for (const NamedState& each : kStates) {
    if (each.name == name) return each.state;
  }
  return std::nullopt;
}

struct Effect {
  std::string parameter;  // as it was written: "slub_debug=FZPU"
  State state = State::kNotCheckable;
  std::string how;  // the evidence, one line

  // Unknown and ineffective ones make an experiment another one than it says it is.
  bool failed() const { return state == State::kIneffective || state == State::kUnknown; }
};

}  // namespace rig::cmdline
