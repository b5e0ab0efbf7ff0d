// SPDX-License-Identifier: Apache-2.0
// Lines of stacks and program counters, x86_64, arm64 and 32-bit ARM, old spellings and new.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oops/report.h"
#include "oops/report_trail.h"

namespace rig::oops {

// "ixgbe_poll+0x7d7/0x14a0 [ixgbe]", "? [<ffffffff8116616e>] f+0x5e/0x140", "f mm/slub.c:1
// [inline]"
std::optional<Frame> parse_frame(std::string_view text);

// Is the line a frame in the usual form? Costs next to nothing; no other line looks so.
bool is_plain_frame(std::string_view text);

// 32-bit ARM prints both ends of a call: "(callee) from [<...>] (caller+0x88/0x3a0)".
std::optional<Frame> parse_caller(std::string_view text);

struct ProgramCounter {
  std::optional<Frame> frame;            // nothing for a user address
  std::optional<std::uint64_t> address;  // where it is printed
  bool user = false;                     // "RIP: 0033:..."
  bool repeated = false;  // "RIP: f+0x1/0x2 RSP: ...": what old kernels print again at the end
};

// "RIP: 0010:f+0x1/0x2", "IP: [<...>] f+0x1/0x2", "pc : f+0x1/0x2", "PC is at f+0x1/0x2"
std::optional<ProgramCounter> parse_program_counter(std::string_view text);

// The heading that this line is, if it is one.
std::optional<Mark> parse_heading(std::string_view text);

// Without ".isra.0", ".constprop.0", ".part.3", ".cold" and the like.
std::string_view plain_name(std::string_view function);

// A main stack as a Report shows it: innermost first, without the functions that print the report
// and without the exception's own entry; the program counter in front where it is known.
std::vector<Frame> innermost_first(const std::optional<Frame>& pc, std::vector<Frame> stack);

}  // namespace rig::oops
