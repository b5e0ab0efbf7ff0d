// SPDX-License-Identifier: Apache-2.0
// The table of report formats: what the kernel prints first, and how to name what it reports.
//
// To add a format: add a Spelling to its family in report_formats.cc (or a family), put a log with
// that text into tests/data/oops, run the test with CRASHRIG_UPDATE_GOLDEN=1, and read what it
// wrote. Nothing else knows the formats.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oops/report_pattern.h"
#include "oops/skip_lists.h"

namespace rig::oops {

// Where the function stands that a report is about.
enum class Guilty {
  kStack,       // the function of the first line, of the program counter, or in the stack
  kLockSite,    // lock validators: the function after ", at: ", else the stack
  kFreeTrack,   // SLUB: who freed the object ("Freed in"): it was written after that
  kAllocTrack,  // SLUB: who allocated it ("Allocated in"): it was written past its end
};

// One way in which some kernel version prints the first line of a report.
struct Spelling {
  // RE2 over the line without its prefix. Named groups fill the fields of a Report: addr (hex),
  // access, size, func, module, cache, comm, pid, cpu, taint; `bug` and `what` are for templates.
  std::string_view pattern;
  std::string_view kind;   // "{bug}" stands for the group, spaces turned into '-'
  std::string_view title;  // "{function}", "{bug}", "{what}", "{cache}", "{access}" (" Read")
  Guilty guilty = Guilty::kStack;
};

// What a report's first line means while another report is still being printed.
enum class Role {
  kCause,     // a report of its own, always
  kMessage,   // announces the WARNING or BUG that carries registers and stack: one report
  kSplat,     // that WARNING or BUG: a report of its own unless it was announced
  kFollowUp,  // says more about the open report; alone, the beginning was lost
};

// Which function of a stack names the report.
enum class Choice {
  kInnermost,       // the innermost that is no helper
  kRepresentative,  // of a loop or recursion the innermost is chance: the entry into the subsystem
};

struct Format {
  std::string_view family;
  Role role = Role::kCause;
  std::vector<std::string_view> needles;    // literals: one of them is in every first line
  std::vector<Spelling> spellings;          // the first that matches wins
  std::vector<std::string_view> bugs = {};  // values of {bug} in kinds, for known_kinds()
  const SkipList* skip = nullptr;  // frames that are not guilty here, beside the common ones
  Choice choice = Choice::kInnermost;
};

const std::vector<Format>& formats();

// Of panics: true when the reason says that an earlier report led to it ("panic_on_warn set").
bool panic_follows_report(std::string_view reason);

// A line that begins a report.
struct Start {
  const Format* format = nullptr;
  const Spelling* spelling = nullptr;
  Captures captures;
};

// Matches a line without prefix against the table. Costs one scan for literals when it is no start.
bool match_start(std::string_view text, Start& start);

// Offset of the next place in a whole log that may lie in a first line, or npos.
std::size_t next_candidate(std::string_view log, std::size_t from);

// Fills {..} of a template of kind or title.
std::string expand(std::string_view text, const Captures& captures);

}  // namespace rig::oops
