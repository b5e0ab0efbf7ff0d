// SPDX-License-Identifier: Apache-2.0
// A row of the table of parameters. To add one: a check in the file of its family, its line in that
// file's rows, a test for each state in tests/unit/cmdline, and a line in docs/COMMAND-LINES.md.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "cmdline/effect.h"
#include "cmdline/evidence.h"
#include "cmdline/parameter.h"

namespace rig::cmdline {

struct Answer {
  State state = State::kNotCheckable;
  std::string how;
};

inline Answer effective(std::string how) {
  return {State::kEffective, std::move(how)};
}
inline Answer ineffective(std::string how) {
  return {State::kIneffective, std::move(how)};
}
inline Answer not_checkable(std::string how) {
  return {State::kNotCheckable, std::move(how)};
}

// Called for a parameter that the kernel has not refused.
using Check = Answer (*)(const Parameter& parameter, Evidence& evidence);

struct Row {
  std::string_view name;
  Check check = nullptr;
  bool adds_up = false;  // each occurrence counts; otherwise the last one alone does
};

std::span<const Row> slab_rows();     // slub_debug and merging
std::span<const Row> memory_rows();   // page allocator, KASAN, crash kernel
std::span<const Row> machine_rows();  // APIC, interrupt remapping, KVM, CPUs
std::span<const Row> setting_rows();  // what shows in a file as it was written; console, root

// "module.name=value" and what shows in /sys/module/kernel/parameters or /proc/sys.
Answer check_dotted(const Parameter& parameter, Evidence& evidence);
Answer check_undotted(const Parameter& parameter, Evidence& evidence);

// Compares a value with what a file of /proc or /sys shows, as switches, as numbers or as text;
// "a [b] c" shows b.
bool shows_value(std::string_view shown, std::string_view value);
// The same of a file that must be there, as an answer.
Answer check_file(const std::string& path, std::string_view value, Evidence& evidence);

}  // namespace rig::cmdline
