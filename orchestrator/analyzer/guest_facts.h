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
  std::optional<VirtAddr> registers_at;  // where they lie
  std::string note;                      // why it had to be guessed, or what is odd about it
  std::vector<SourceLine> source;  // innermost inlined function first; empty without debuginfo
};

struct Backtrace {
  std::vector<BacktraceFrame> frames;
  bool complete = false;  // reached where the task or the CPU entered the kernel
  std::string end;        // in words: "user mode at 0x7f…", "the stack is not in the core"
  std::vector<RegisterValue> user_registers;  // when it ends in user mode
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

// What panic() was called with, on which CPU and by which task.
struct PanicFacts {
  std::string message;  // "Fatal exception in interrupt"
  std::optional<unsigned> cpu;
  std::optional<VirtAddr> task;
  std::optional<std::uint64_t> pid;
  std::string comm;
};

struct SystemFacts {
  std::string release, version, machine, hostname;
  std::string cmdline;
  std::optional<unsigned> cpus_online, cpus_possible;
  std::optional<double> uptime;             // seconds, with what the machine slept
  std::optional<std::uint64_t> crash_time;  // seconds since 1970, by the guest's clock
  std::vector<double> load_average;         // over 1, 5 and 15 minutes
  std::optional<std::uint64_t> tasks;
  std::optional<PanicFacts> panic;            // nothing: it did not panic, or the log is gone
  std::optional<std::uint64_t> memory_bytes;  // that the kernel manages (MemTotal)
  std::vector<TaintFlag> taint;
  std::vector<std::string> problems;  // what is odd, and what could not be established
};

struct TaskFacts {
  VirtAddr at{};  // of its task_struct
  std::uint64_t pid = 0, tgid = 0, parent = 0;
  std::string comm;
  char state = '?';             // as /proc/PID/stat has it: R S D T t X Z P I
  std::string state_words;      // "sleeping", "waiting, uninterruptible"
  std::optional<unsigned> cpu;  // that it runs or last ran on
  bool running = false;         // on that CPU when the machine stopped
  bool idle = false;            // a CPU's idle task, swapper/N
  bool kernel_thread = false;
  std::optional<std::uint64_t> rss, vsize;  // bytes; nothing: no mm
  VirtAddr parent_task{}, mm{}, stack{};    // 0: none
  std::uint64_t flags = 0;                  // PF_*
  std::optional<std::uint64_t> uid;
  std::optional<std::int64_t> priority;   // as the scheduler counts: 120 is nice 0
  std::optional<std::uint64_t> started;   // ns since the boot
  std::optional<std::uint64_t> last_run;  // ns by the scheduler's clock: when it got its CPU
  std::optional<std::uint64_t> user_time, system_time;  // ns
};

// A lock that a task waits for, found by the waiter that lies on its stack (facts/waits.h).
struct LockFacts {
  std::string kind;  // "mutex", "rwsem"
  VirtAddr at{};     // of its struct
  std::string name;  // "hang_first [hang]"; empty: no symbol
  VirtAddr owner{};  // the task that has it; 0: nobody, or not known
  std::string owner_comm;
  std::optional<std::uint64_t> owner_pid;
};

// A task that sleeps where nothing but what it waits for can wake it (state D).
struct WaitFacts {
  VirtAddr task{};
  std::string comm;
  std::uint64_t pid = 0;
  std::optional<double> seconds;  // since it last got a CPU
  std::optional<LockFacts> lock;
  Backtrace backtrace;
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
  VirtAddr superblock{};
  // As /proc/mounts has them, but for the options that only the filesystem's own code can tell.
  std::string device, type, options, directory;
};

struct OpenFileFacts {
  unsigned fd = 0;
  VirtAddr file{}, dentry{}, inode{};
  std::string kind;  // "REG", "DIR", "CHR", "BLK", "FIFO", "SOCK", "LNK", "anon"
  std::string path;
};

// The files of one task.
struct TaskFilesFacts {
  VirtAddr task{};
  std::string root, directory, executable;  // empty: none, or it cannot be read
  std::vector<OpenFileFacts> files;
  std::vector<std::string> problems;
};

struct SwapFacts {
  VirtAddr at{};  // of its struct swap_info_struct
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
  VirtAddr at{};  // of its struct zone
  unsigned node = 0;
  std::string name;
  std::uint64_t managed = 0, free = 0, min = 0, low = 0, high = 0;  // pages
  std::uint64_t boost = 0;  // part of min, low and high: watermark_boost
  std::string verdict;      // "below min: only the kernel's own emergencies are served"
};

struct MemoryFacts {
  std::uint64_t page_size = 4096;
  std::vector<MemoryRow> rows;                           // crash's kmem -i
  std::vector<MemoryRow> meminfo;                        // by the names of /proc/meminfo
  std::vector<ZoneFacts> zones;                          // that have memory
  std::optional<std::uint64_t> commit_limit, committed;  // pages
  std::string verdict;                                   // "free memory is above all watermarks"
  std::vector<std::string> problems;
};

}  // namespace rig::analyzer
