// SPDX-License-Identifier: Apache-2.0
// What a signature is made of: predicates over what the kernel said and what the analyzer found.
// Every field that is set must hold. The format is described in docs/SCENARIOS.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hang.h"

namespace rig::scenario {

// A number to compare with: "0x106", "> 0", "<= 16M", "< 5%".
struct Bound {
  enum class Op { kEqual, kNotEqual, kLess, kAtMost, kGreater, kAtLeast };
  Op op = Op::kEqual;
  std::uint64_t value = 0;
  bool percent = false;  // of what the predicate says

  // `whole`: what 100 % are; only needed for percent.
  bool holds(std::uint64_t found, std::uint64_t whole = 0) const;
  std::string text() const;  // "> 0"
};
// `bytes`: "16M" is a size. Nothing when it is no bound.
std::optional<Bound> parse_bound(std::string_view text, bool bytes);

// What the kernel must have said.
struct ReportPredicate {
  std::optional<std::string> kind;       // an id of oops/report.h: "null-deref"
  std::optional<std::uint64_t> address;  // the faulting address
  std::optional<std::string> function;   // the guilty function, without offset
  std::optional<std::string> access;     // "read", "write"
  std::optional<std::string> cache;      // slab cache named by the report
};

// What the core must show: some register or the fault leads to a slab object that holds this value.
struct ObjectPredicate {
  std::uint64_t holds = 0;
  unsigned size = 8;         // bytes of the value: 1, 2, 4 or 8
  std::uint64_t offset = 0;  // within the object
  std::optional<std::string> cache = {};
  std::optional<bool> allocated = {};
  std::optional<std::string> was = {};  // "lc_command": what it held before, by its content
};

// Something in the slab caches that the audit must have found.
struct CorruptionPredicate {
  std::optional<std::string> kind;  // an id of analyzer/slab: "poison-overwritten"
  std::optional<std::string> cache;
  std::optional<std::int64_t> offset;           // within the object, of the first wrong byte
  std::optional<std::vector<std::byte>> bytes;  // found there, from `offset` on
  std::optional<std::uint64_t> pointer;         // a free pointer, decoded
  std::optional<unsigned> wrong_byte;           // the first of the few that are wrong in it
  std::optional<bool> allocated;
  // A function of the stack, or its module.
  std::optional<std::string> allocated_by, freed_by;
};

// A per-CPU variable, or a count of the CPU's context: "nmi", "hardirq", "softirq", "preempt",
// "preempt_count".
struct PerCpuPredicate {
  enum class Where { kAny, kAll, kPanicked, kSum, kOne };
  std::string variable;
  Where where = Where::kAny;
  unsigned cpu = 0;                  // of kOne
  std::optional<std::string> minus;  // another variable, subtracted
  Bound is;
};

// One of the rows of /proc/meminfo, in bytes or as a part of MemTotal.
struct MemoryPredicate {
  std::string row;  // "MemFree"
  Bound is;
};

// How the guest must have stopped going on.
struct HangPredicate {
  std::optional<HangKind> kind;
};

// A CPU that the core must have. Frames that were guessed do not count.
struct CpuPredicate {
  std::vector<std::string> backtrace = {};  // as Expectation::backtrace
  std::optional<bool> irqs_off = {};
};

// A task that the core must have, asleep where nothing but what it waits for can wake it.
struct TaskPredicate {
  std::optional<std::string> comm = {};
  std::vector<std::string> backtrace = {};
  std::optional<std::string> lock = {};   // what it waits for: "mutex", or a lock's symbol
  std::optional<std::string> owner = {};  // name of the task that has it
};

// When it must have happened: before the agent was up, or after.
enum class During { kLoad, kBoot };

struct Expectation {
  bool survive = false;  // the load must run to its end without any report
  During during = During::kLoad;
  std::optional<HangPredicate> hang = {};
  std::optional<ReportPredicate> report;
  std::optional<ObjectPredicate> object;
  std::vector<CorruptionPredicate> corruptions = {};  // each of them must be there
  std::vector<std::string> backtrace = {};  // functions, innermost first; others may lie between
  std::vector<PerCpuPredicate> percpu = {};
  std::vector<MemoryPredicate> memory = {};
  std::vector<CpuPredicate> cpus = {};    // each of them must be there, on a CPU of its own
  std::vector<TaskPredicate> tasks = {};  // each of them must be there

  bool empty() const {
    return !report && !object && !hang && corruptions.empty() && backtrace.empty() &&
           percpu.empty() && memory.empty() && cpus.empty() && tasks.empty();
  }
};

// The per-CPU variables that the expectation asks the core for.
std::vector<std::string> asked_variables(const Expectation& expectation);
// "nmi" and the like, which every core tells of without a variable.
bool is_context_count(std::string_view name);

}  // namespace rig::scenario
