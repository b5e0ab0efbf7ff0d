// SPDX-License-Identifier: Apache-2.0
// What the analyzer says about the guest as a system: its tasks, their stacks, its modules and its
// memory. Plain data, as findings.h. Absent means "could not be established".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"

namespace rig::analyzer {

// An address in words: "skb_release_data+0xa3", "kmalloc-1k object 0xffff... +0x2c0 (allocated)".
struct CodeLocation {
  VirtAddr address{};
  std::string function;
  std::uint64_t offset = 0;
  std::string module;  // empty: the kernel itself
};

struct RegisterValue {
  std::string name;  // "RAX", "x0"
  std::uint64_t value = 0;
};

// Where an address comes from in the source, with debuginfo. `function` is inlined into the next.
struct SourceLine {
  std::string function;
  std::string file;  // "net/core/skbuff.c"
  unsigned line = 0;
  bool inlined = false;
};

// One function on a stack, innermost first.
struct BacktraceFrame {
  CodeLocation at;                       // where it goes on: the return address, or the exact place
  VirtAddr sp{};                         // of the stack while it runs
  bool reliable = true;                  // false: the unwinder had to guess
  std::string stack;                     // when another stack begins here: "IRQ stack of CPU 1"
  std::string exception;                 // the entry code that interrupted it: "asm_exc_page_fault"
  std::vector<RegisterValue> registers;  // of `at`, as that entry code saved them
  std::vector<SourceLine> source;  // innermost inlined function first; empty without debuginfo
};

struct Backtrace {
  std::vector<BacktraceFrame> frames;
  bool complete = false;  // reached where the task or the CPU entered the kernel
  std::string end;        // in words: "user mode at 0x7f…", "the stack is not in the core"
};

// What a CPU was in the middle of, from its preempt_count (include/linux/preempt.h).
struct ContextFacts {
  std::uint32_t preempt_count = 0;
  unsigned nmi = 0, hardirq = 0, softirq = 0, preempt = 0;  // the counts in it
  bool serving_softirq = false;  // false with softirq != 0: bottom halves are disabled
  std::optional<bool> irqs_off;  // from the CPU's flags
  std::string words;             // the innermost: "NMI", "hardirq", "softirq", "task"
};

struct TaintFlag {
  char letter = '?';
  std::string meaning;  // "externally-built module"
};

struct SystemFacts {
  std::string release, version, machine, hostname;
  std::string cmdline;
  std::optional<unsigned> cpus_online, cpus_possible;
  std::optional<double> uptime;             // seconds
  std::optional<std::uint64_t> crash_time;  // seconds since 1970, by the guest's clock
  std::vector<double> load_average;         // over 1, 5 and 15 minutes
  std::optional<std::uint64_t> tasks;
  std::vector<TaintFlag> taint;
  std::vector<std::string> problems;
};

struct TaskFacts {
  VirtAddr at{};  // of its task_struct
  std::uint64_t pid = 0, tgid = 0, parent = 0;
  std::string comm;
  char state = '?';             // as ps prints it: R S D T t X Z P I
  std::optional<unsigned> cpu;  // that it runs or last ran on
  bool running = false;         // on that CPU when the machine stopped
  bool kernel_thread = false;
  std::optional<std::uint64_t> rss, vsize;  // bytes; nothing: no mm
};

struct ModuleRangeFacts {
  VirtAddr begin{};
  std::uint64_t size = 0;
  bool text = false;
};

struct ModuleFacts {
  VirtAddr at{};  // of its struct module
  std::string name;
  std::uint64_t size = 0;  // bytes in memory, as /proc/modules has it
  std::string state;       // "Live", "Loading", "Unloading"
  std::string taint;       // letters: "OE"
  std::vector<ModuleRangeFacts> ranges;
  std::vector<std::string> used_by;
  std::optional<std::int64_t> references;
};

struct MountFacts {
  VirtAddr at{};  // of its struct mount
  std::string device, type, options, directory;
};

struct OpenFileFacts {
  unsigned fd = 0;
  VirtAddr file{}, dentry{}, inode{};
  std::string kind;  // "REG", "DIR", "CHR", "BLK", "FIFO", "SOCK", "LNK", "anon"
  std::string path;
};

struct SwapFacts {
  std::string path;
  bool partition = false;
  std::uint64_t bytes = 0, used = 0;
  std::int64_t priority = 0;
};

// One row of the memory summary: "FREE", "SLAB" ...
struct MemoryRow {
  std::string name;
  std::uint64_t pages = 0;
};

struct ZoneFacts {
  unsigned node = 0;
  std::string name;
  std::uint64_t managed = 0, free = 0, min = 0, low = 0, high = 0;  // pages
  std::string verdict;  // "below min: only the kernel's own emergencies are served"
};

struct MemoryFacts {
  std::uint64_t page_size = 4096;
  std::vector<MemoryRow> rows;
  std::vector<ZoneFacts> zones;
  std::optional<std::uint64_t> commit_limit, committed;  // pages
  std::string verdict;                                   // "free memory is above all watermarks"
};

}  // namespace rig::analyzer
