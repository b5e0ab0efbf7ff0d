// SPDX-License-Identifier: Apache-2.0
// What the analyzer established from one core: plain data, complete enough that signatures are
// judged on it without the core. Absent means "could not be established"; `remarks` says why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/fault_facts.h"
#include "analyzer/findings_pointer.h"
#include "analyzer/guest_facts.h"
#include "analyzer/heap_facts.h"
#include "base/address.h"
#include "base/arch.h"
#include "oops/report.h"

namespace rig::analyzer {

struct CoreFacts {
  std::string path;
  std::string format;  // as Core::format()
  Arch arch = Arch::kX86_64;
  std::uint64_t file_bytes = 0;
  std::uint64_t memory_bytes = 0;
  std::string release;   // "6.1.0-56-amd64"
  std::string version;   // linux_banner: "Linux version 6.1.0-56-amd64 (...) #1 SMP ..."
  std::string build_id;  // hex, or empty
  std::optional<std::uint64_t> kaslr_offset;
  std::optional<unsigned> paging_levels;  // 4 or 5
  std::string vmcoreinfo;                 // "note", "searched", "absent"
  std::uint64_t symbols = 0;              // how many could be read
  std::uint64_t types = 0;
};

struct CpuFacts {
  unsigned index = 0;
  std::string comm;  // of the task it was running
  std::optional<std::uint64_t> pid;
  std::optional<VirtAddr> task;
  std::optional<CodeLocation> at;
  std::vector<RegisterValue> registers;
  std::optional<ContextFacts> context;
  bool panicking = false;
  bool idle = false;
  std::optional<double> running;  // seconds since its task got it, by the guest's clock
  unsigned queued = 0;            // tasks that could run, and wait for it
  Backtrace backtrace;
};

// The exception that the kernel did not survive, from the frame that the entry code saved.
struct ExceptionFacts {
  unsigned cpu = 0;
  std::string comm;
  std::optional<std::uint64_t> pid;
  std::optional<VirtAddr> task;
  std::optional<CodeLocation> at;
  std::optional<std::uint64_t> address;  // CR2 / FAR: the faulting address
  std::optional<std::uint64_t> error_code;
  std::vector<RegisterValue> registers;  // at the moment of the exception
  std::string source;                    // how it was found: "pt_regs at 0x… on the IRQ stack"
};

// How sure a judgement is.
enum class Confidence { kPossible, kLikely, kCertain };
std::string_view to_string(Confidence confidence);
std::optional<Confidence> parse_confidence(std::string_view text);

// One thing that is wrong, with what shows it: the judgement's rules make them (judgement/rules.h).
struct Finding {
  std::string kind;  // "freed-twice", "use-after-free-write": an id of the table of rules
  Confidence confidence = Confidence::kPossible;
  std::string summary;                // one sentence: what, whose, by whom
  std::vector<std::string> evidence;  // each a sentence
  std::string cache;                  // of the object that it is about; empty: none
  std::optional<VirtAddr> object;
};

// A per-CPU variable that was asked for.
struct PerCpuFacts {
  std::string name;  // as it was asked for: "__preempt_count", "toa:ext_stats.freed"
  struct Value {
    unsigned cpu = 0;
    std::uint64_t value = 0;
  };
  std::vector<Value> values;
  std::string problem;  // why there are none
};

struct Findings {
  CoreFacts core;
  std::string log;                    // the kernel's log, as dmesg prints it
  std::vector<oops::Report> reports;  // parsed from it
  std::optional<std::string> panic;   // "Fatal exception in interrupt"
  std::vector<CpuFacts> cpus;
  std::optional<ExceptionFacts> exception;
  Backtrace backtrace;  // of the task that panicked, or of the first CPU's
  SystemFacts system;
  std::vector<WaitFacts> waits;  // the longest first
  std::vector<ModuleFacts> modules;
  MemoryFacts memory;
  std::vector<PointerFacts> pointers;  // registers first, then the stack near the exception
  SlabFacts slab;
  std::optional<FaultFacts> fault;          // nothing: there was no exception
  std::vector<ProvenanceFacts> provenance;  // of the objects in question
  std::vector<PerCpuFacts> percpu;          // that Options::percpu asked for
  std::vector<Finding> findings;            // cause before consequence
  std::string explanation;                  // the judgement in plain words, one paragraph
  std::vector<std::string> remarks;         // what could not be established, and why
  double seconds = 0;                       // how long it took
};

}  // namespace rig::analyzer
