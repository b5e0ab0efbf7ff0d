// SPDX-License-Identifier: Apache-2.0
// The table of report formats: what the kernel prints first, and how to name what it reports.
//
// To add a format: add a Spelling to its family (or a family) in formats_*.cc, put a log with
// that text into tests/data/oops, run the test with CRASHRIG_UPDATE_GOLDEN=1, and read what it
// wrote. Nothing else knows the formats.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oops/report_pattern.h"
#include "oops/skip_lists.h"

namespace rig::oops {

// Where the function stands that a report is about; report_guilty.cc says how each is looked for.
enum class Look {
  kNowhere,         // it is about none
  kNamed,           // on the first line, else in the stack
  kBelow,           // in the stack right below the first line, which has no heading
  kFault,           // at the program counter, else in the stack after it
  kProgramCounter,  // there only
  kWarning,         // as kFault, but kernels before 4.11 have no program counter in warnings
  kTrace,           // in the stack
  kInterrupted,     // where the timer's interrupt found the CPU
  kTakenLock,       // lock validators: where the lock was taken
  kTakenLocks,      // the same, where a helper took it the one that was held, else the stack
  kReleasedLock,    // where a lock was released, else in the stack
  kTakenThenTrace,  // in the stack, when it is said where the lock was taken
  kBecame,          // lock validators: where a lock became safe for interrupts
  kAllocatedPage,   // page_owner: who allocated it
  kBacktrace,       // kmemleak: who allocated it
  kLastWorked,      // a workqueue's last function
  kFreeTrack,       // SLUB: who freed the object ("Freed in"): it was written after that
  kAllocTrack,      // SLUB: who allocated it ("Allocated in"): it was written past its end
};

// Which function of those found there names the report.
enum class Choice {
  kInnermost,       // the innermost that is no helper
  kRepresentative,  // of a loop or recursion the innermost is chance: the entry into the subsystem
  kWaiter,          // of a task that waits: who waits, and one name for the well-known waits
};

// What a report's first line means while another report is still being printed.
enum class Role {
  kCause,     // a report of its own, always
  kMessage,   // announces the WARNING or BUG that carries registers and stack: one report
  kSplat,     // that WARNING or BUG: a report of its own unless it was announced
  kFollowUp,  // says more about the open report; alone, the beginning was lost
  kRemark,    // worth a title where nothing else is reported; no crash
};

// One way in which some kernel version prints the first line of a report.
struct Spelling {
  // RE2 over the line without its prefix. Named groups fill the fields of a Report: addr (hex),
  // access, size, func, module, cache, comm, pid, cpu, taint (addr2, access2, pid2, cpu2 where it
  // may stand at two places); `bug` and `what` are for templates; a title that cannot be made
  // begins at `cut` (else with the match) and is the rest of the line.
  std::string_view pattern;
  std::string_view kind;  // "{bug}" stands for the group, spaces turned into '-'
  // "{function}", "{bug}", "{what}", "{cache}", "{access}" (" Read"), "{access_word}", "{below}"
  // (the line below the first), "{origin}" (KMSAN); "" for the rest of the line.
  std::string_view title;
  // What the family has where these say nothing.
  std::optional<Look> look = {};
  std::optional<std::string_view> type = {};
  const SkipList* skip = nullptr;
  std::optional<std::vector<std::string_view>> alt = {};
  // One of these words ('|' between them) stands below, or else the title cannot be made.
  std::string_view needs = {};
  bool hopeless = false;  // who prints this first has lost the beginning
};

struct Format {
  std::string_view family;
  Role role = Role::kCause;
  std::vector<std::string_view> needles;    // literals: one of them is in every first line
  std::vector<Spelling> spellings;          // the first that matches wins
  std::vector<std::string_view> bugs = {};  // values of {bug} in kinds, for known_kinds()
  // Lines that hold one of these are none, whatever the spellings say.
  std::vector<std::string_view> unless = {};
  const SkipList* skip = nullptr;  // frames that are not guilty here, beside the common ones
  Look look = Look::kFault;
  Choice choice = Choice::kInnermost;
  std::string_view type = {};              // the field's class of crash: "DoS", "HANG", ...
  std::vector<std::string_view> alt = {};  // templates: titles that the same bug may get
  bool stackless = false;                  // it has no stack, so one cannot have been lost
  bool names_origin = false;               // it ends with where the memory came from
  bool titled_by_splat = false;            // a message whose WARNING or BUG has a title
  bool names_exception = false;            // stands below an oops's message, and has no other stack
  bool repeats = false;                    // some kernels print a second first line right below
  bool page_fault = false;                 // the error code and CR2 say what was accessed
  bool panic = false;                      // the end: what was said before may have led to it
  bool boot = false;                       // a report only where nobody asked for the boot
  bool benign = false;                     // healthy kernels make it under load
  // A report of so many lines has its own stack; a shorter one may have only that of the panic that
  // follows.
  std::size_t whole_from = 22;
};

const std::vector<Format>& formats();

// The parts of the table, in the order of their files.
std::vector<Format> memory_checker_formats();
std::vector<Format> oops_formats();
std::vector<Format> bug_formats();
std::vector<Format> warning_formats();
std::vector<Format> lock_formats();
std::vector<Format> stall_formats();
std::vector<Format> panic_formats();
std::vector<Format> remark_formats();

// Of panics: true when the reason says that an earlier report led to it ("panic_on_warn set").
bool panic_follows_report(std::string_view reason);

// A line that begins a report.
struct Start {
  const Format* format = nullptr;
  const Spelling* spelling = nullptr;
  Captures captures;

  Look look() const { return spelling->look.value_or(format->look); }
  std::string_view type() const { return spelling->type.value_or(format->type); }
  const std::vector<std::string_view>& alt() const {
    return spelling->alt ? *spelling->alt : format->alt;
  }
  const SkipList* skip() const { return spelling->skip ? spelling->skip : format->skip; }
};

// Matches a line without prefix against the table. Costs one scan for literals when it is no start.
bool match_start(std::string_view text, Start& start);

// Offset of the next place in a text of whole lines that may lie in a first line, or in one that
// concerns the whole log (report_log.h), or npos.
std::size_t next_candidate(std::string_view text, std::size_t from);

// May the line be one of those? Costs one scan for literals.
bool is_candidate(std::string_view text);

// Fills {..} of a template of kind or title.
std::string expand(std::string_view text, const Captures& captures);

}  // namespace rig::oops
