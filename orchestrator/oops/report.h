// SPDX-License-Identifier: Apache-2.0
// What the kernel said: one report of a crash, a warning or a detector, parsed from console text.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rig::oops {

struct Frame {
  std::string function;  // without .isra/.constprop suffix
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::string module;    // empty: the kernel itself
  bool reliable = true;  // false for "? function"
  bool inlined = false;  // added by who symbolised the log: kernels do not print them
};

// The slab object that KASAN or SLUB speaks of.
struct Object {
  std::optional<std::uint64_t> address;
  std::optional<std::uint64_t> offset;  // of the first bad byte in it
  std::optional<std::uint64_t> size;    // bytes
  std::string bytes;                    // what SLUB found there: "0x6 instead of 0x6b"
};

struct Report {
  std::string kind;   // an id of the table of formats: "null-deref", "kasan-use-after-free"
  std::string title;  // normalised: "BUG: unable to handle kernel NULL pointer dereference in f"
  std::vector<std::string> alt;  // titles that the same bug may get elsewhere
  std::string type;      // the field's class of crash: "HANG", "KASAN-READ"; empty: none is usual
  std::string function;  // the guilty function, without offset; empty if not known
  std::string module;    // that function's module; empty: the kernel itself
  std::optional<std::uint64_t> address;      // faulting address
  std::string access;                        // "read", "write", "execute" or empty
  std::optional<std::uint64_t> access_size;  // bytes
  std::string cache;                         // slab cache named by KASAN or SLUB
  Object object;
  std::string comm;  // the task's name
  std::optional<std::uint64_t> pid;
  std::optional<std::uint64_t> cpu;
  std::string taint;
  std::map<std::string, std::uint64_t> registers;  // by the kernel's own names: "RIP", "CR2", "x0"
  std::vector<Frame> frames;                       // innermost first; the faulting function first
  std::vector<Frame> allocated;  // where the object was allocated, innermost first
  std::vector<Frame> freed;
  std::string fingerprint;  // of the stack: the same for one bug in other builds; may be empty
  std::optional<std::size_t> caused_by;  // index of the report that this one may follow from
  std::size_t first_line = 0;            // of the text it was parsed from, counted from 0
  std::size_t last_line = 0;             // inclusive
  bool panicked = false;                 // "Kernel panic - not syncing" follows
  bool suppressed = false;               // the log says that something else brought this about
  bool corrupted = false;                // no stack, or mixed with other output
};

// All reports of a log, in order: cause() says which of them the others may follow from.
std::vector<Report> parse_reports(std::string_view log);

// The same for a log that comes in pieces, in bounded memory, and with the lines that are worth a
// title and are no crash (is_remark).
class ReportStream {
 public:
  ReportStream();
  ~ReportStream();
  ReportStream(ReportStream&&) noexcept;
  // Whole lines, each with its '\n'; the very last may lack it. A line that comes in pieces is
  // taken for several, all with one number.
  void feed(std::string_view lines);
  // What was found; nothing may be fed after it.
  std::vector<Report> finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Could two reports be of one bug? Same title, or one that both may get, and, where both have one,
// the same fingerprint.
bool same_bug(const Report& one, const Report& other);

// Reports that healthy kernels make under load, e.g. of a failed page allocation: no crash.
bool is_benign(std::string_view kind);

// Reports of the kernel's that something in it does not go on: lockups, stalls, blocked tasks.
bool is_hang(std::string_view kind);

// Worth a title where nothing else is reported: "WARNING: this driver is incomplete", a reboot that
// nobody asked for, a program's own failure.
bool is_remark(std::string_view kind);

// The report that a log is named after: the cause, else the first line that is worth a title.
const Report* headline(std::span<const Report> reports);

// The report of a log to judge: the first that is not benign. Of benign ones the last, if a panic
// followed it; otherwise nothing.
std::optional<Report> cause(std::span<const Report> reports);

// Is this console line the start of some report? The kind's id if so. Cheap: it runs on every line.
std::optional<std::string_view> starts_report(std::string_view line);

// Does the line carry printk's timestamp (and so was not simply printed by a program)? Whoever
// reads a console on which the kernel stamps its lines ignores starts_report() on lines without
// one.
bool has_kernel_stamp(std::string_view line);
// Its seconds, "12.345678"; empty without one, or with a date.
std::string_view kernel_stamp(std::string_view line);

// The ids that a scenario's `report: {kind: ...}` may use.
std::vector<std::string> known_kinds();

// The line without timestamp, caller id, log level and syslog prefix.
std::string_view strip_prefix(std::string_view line);

}  // namespace rig::oops
