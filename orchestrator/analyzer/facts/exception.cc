// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/exception.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "analyzer/core/limits.h"
#include "analyzer/facts/backtrace.h"

namespace rig::analyzer {
namespace {

// So many registers must be in both the frame and the report before equality means anything.
constexpr unsigned kEnoughRegisters = 6;

struct Candidate {
  const CpuSnapshot* cpu = nullptr;
  const StackRange* stack = nullptr;
  SavedFrame frame;
  std::string entry;  // the entry code that saved it; empty: it is what the core's note says
};

bool begins_with_one_of(std::string_view name, std::span<const std::string_view> starts) {
  return std::ranges::any_of(starts, [&](auto start) { return name.starts_with(start); });
}

// Frames on one stack. What lies below the CPU's stack pointer is left over from earlier calls.
void scan_stack(const CpuSnapshot& cpu, const StackRange& stack, const Kernel& kernel,
                const Architecture& arch, std::vector<Candidate>& out) {
  const bool current = stack.contains(cpu.state.sp);
  const VirtAddr from = current ? VirtAddr{align_down(raw(cpu.state.sp), 8)} : stack.begin;
  if (stack.size > kMaxStackBytes) return;
  const auto bytes = kernel.memory().read_up_to(from, stack.end() - from);
  for (std::uint64_t at = 8; at + arch.frame_size <= bytes.size(); at += 8) {
    auto frame = arch.decode_frame(ByteView(bytes).subspan(at, arch.frame_size), from + at);
    if (!frame) continue;
    const auto back = arch.entry_of(kernel, bytes, from, at);
    const auto entry = back ? kernel.code(*back) : std::nullopt;
    if (!entry) continue;
    if (!begins_with_one_of(entry->function, arch.exception_entries)) continue;
    out.push_back({&cpu, &stack, *std::move(frame), entry->function});
  }
}

// crash_kexec() hands the exception's registers to the capture kernel: a note of /proc/vmcore has
// them in place of the CPU's own, and the stack is looked at from there on (crash_save_cpu()).
void add_note(const CpuSnapshot& cpu, std::vector<Candidate>& out) {
  for (const StackRange& stack : cpu.stacks) {
    if (!stack.contains(cpu.state.sp)) continue;
    out.push_back({&cpu, &stack, {{}, cpu.state.pc, cpu.state.sp, cpu.state.registers}, {}});
    return;
  }
}

// Do the frame's registers equal those that the kernel printed?
bool agrees(const SavedFrame& frame, const oops::Report& report) {
  unsigned equal = 0;
  for (const RegisterValue& each : frame.registers) {
    // The log gives RIP as a symbol, and selectors and flags in forms of their own.
    if (each.name == "RIP" || each.name == "pc" || each.name == "CS" || each.name == "SS" ||
        each.name == "EFLAGS" || each.name == "pstate") {
      continue;
    }
    const auto printed = report.registers.find(each.name);
    if (printed == report.registers.end()) continue;
    if (printed->second != each.value) return false;
    ++equal;
  }
  return equal >= kEnoughRegisters;
}

using Choice = std::pair<const Candidate*, const oops::Report*>;

// The frame that equals the report of the crash. Without such a report there is no choice: frames
// of page faults that were handled long ago stay on stacks and look just the same.
Choice choose(std::span<const Candidate> candidates, std::span<const oops::Report> reports) {
  const bool panicked = std::ranges::any_of(reports, &oops::Report::panicked);
  for (auto report = reports.rbegin(); report != reports.rend(); ++report) {
    // Warnings before a panic were survived. When nothing panicked the last report counts.
    if (panicked && !report->panicked) continue;
    for (const Candidate& each : candidates) {
      if (agrees(each.frame, *report)) return {&each, &*report};
    }
    if (!panicked) break;
  }
  return {};
}

// Functions that the kernel enters when it gives up (kernel/panic.c, arch/*/kernel/dumpstack.c and
// traps.c).
bool gives_up(std::string_view function) {
  constexpr std::string_view kNames[] = {"panic",    "vpanic", "nmi_panic",
                                         "oops_end", "die",    "__die"};
  return std::ranges::find(kNames, function.substr(0, function.find('.'))) != std::end(kNames);
}

// The exception on a walk whose handler gave up: of several, nested, the outermost, because the
// others happened on the way down.
const BacktraceFrame* fatal_exception(const Backtrace& trace, const Architecture& arch) {
  const BacktraceFrame* found = nullptr;
  bool gave_up = false;
  for (const BacktraceFrame& frame : trace.frames) {
    if (!frame.exception.empty()) {
      if (gave_up && begins_with_one_of(frame.exception, arch.exception_entries)) found = &frame;
      gave_up = false;
    }
    gave_up |= gives_up(frame.at.function);
  }
  return found;
}

// What the unwinder says of the CPU that panicked.
struct Walk {
  const CpuSnapshot* cpu = nullptr;
  Backtrace trace;
  const BacktraceFrame* fatal = nullptr;

  bool came_through(VirtAddr saved) const {
    return std::ranges::any_of(trace.frames, [&](const BacktraceFrame& frame) {
      return frame.registers_at == saved && frame.reliable;
    });
  }
};

Walk walk_of_panic(std::span<const CpuSnapshot> cpus, const Kernel& kernel,
                   const Architecture& arch) {
  const auto cpu = std::ranges::find_if(cpus, &CpuSnapshot::panicking);
  if (cpu == cpus.end()) return {};
  Walk walk{&*cpu, unwind_cpu(kernel, arch, *cpu), nullptr};
  walk.fatal = fatal_exception(walk.trace, arch);
  return walk;
}

std::optional<Candidate> candidate_of(const Walk& walk) {
  if (!walk.fatal || !walk.fatal->registers_at) return std::nullopt;
  const BacktraceFrame& frame = *walk.fatal;
  Candidate candidate{walk.cpu,
                      nullptr,
                      {*frame.registers_at, frame.at.address, frame.sp, frame.registers},
                      frame.exception};
  for (const StackRange& stack : walk.cpu->stacks) {
    if (stack.contains(*frame.registers_at)) candidate.stack = &stack;
  }
  return candidate.stack ? std::optional(std::move(candidate)) : std::nullopt;
}

// Who says that these are the registers of the crash.
std::string confirmed_by(const Candidate& found, bool by_log, const Walk& walk) {
  if (by_log) {
    return fmt::format("they equal those in the kernel's log{}",
                       walk.came_through(found.frame.at)
                           ? ", and the way back from panic() leads through them"
                           : "");
  }
  return walk.fatal->reliable
             ? "the way back from panic() leads through them; no report in the log shows them"
             : "a way back from panic() that had to be guessed leads through them; no report in "
               "the log shows them";
}

bool is_page_fault(std::string_view entry) {
  return entry.find("page_fault") != std::string_view::npos;
}

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || stop == text.data()) return std::nullopt;
  return value;
}

// `report`: the one in the log that agrees; null: the walk alone found it.
FoundException describe(const Candidate& found, const oops::Report* report, const Walk& walk,
                        const Kernel& kernel, std::string_view log) {
  FoundException result;
  result.sp = found.frame.sp;
  for (const StackRange& stack : found.cpu->stacks) {
    if (stack.contains(result.sp)) result.stack = stack;
  }
  ExceptionFacts& facts = result.facts;
  facts.cpu = found.cpu->number;
  if (found.cpu->task) {
    facts.comm = found.cpu->task->comm;
    facts.pid = found.cpu->task->pid;
    facts.task = found.cpu->task->at;
  }
  facts.at = kernel.code(found.frame.pc);
  // A jump to nowhere is an exception too.
  if (!facts.at) facts.at = CodeLocation{found.frame.pc, {}, 0, {}};
  facts.registers = found.frame.registers;
  const std::string where = found.entry.empty()
                                ? fmt::format("registers of CPU {} in the core's notes", facts.cpu)
                                : fmt::format("registers saved at {} on the {} by {}",
                                              found.frame.at, found.stack->name, found.entry);
  facts.source = fmt::format("{}; {}", where, confirmed_by(found, report != nullptr, walk));
  if (report) {
    facts.address = report->address;
    facts.error_code = error_code_of(log, report->first_line, report->last_line);
  }
  // CR2 may be of a later fault, so what the kernel printed goes first.
  if (!facts.address && is_page_fault(found.entry)) {
    facts.address = found.cpu->state.fault_address;
  }
  return result;
}

void remark_on_unconfirmed(std::span<const oops::Report> reports,
                           std::span<const Candidate> candidates, bool panicked,
                           const Candidate* found, std::vector<std::string>& remarks) {
  const bool crash = std::ranges::any_of(reports, [](const oops::Report& each) {
    return !each.registers.empty() && each.kind != "panic";
  });
  if (crash) {
    remarks.push_back(
        "exception: no saved registers on the stacks agree with those that the log shows");
  } else if (!found && panicked && reports.empty() && !candidates.empty()) {
    remarks.push_back(fmt::format(
        "exception: registers saved at {} by {} may be those of the crash, but no report in the "
        "log confirms it",
        candidates.front().frame.at, candidates.front().entry));
  }
}

}  // namespace

std::optional<std::uint64_t> error_code_of(std::string_view log, std::size_t first,
                                           std::size_t last) {
  for (std::size_t number = 0; number <= last && !log.empty(); ++number) {
    const auto end = log.find('\n');
    const auto line = log.substr(0, end);
    log.remove_prefix(end == std::string_view::npos ? log.size() : end + 1);
    if (number < first) continue;
    for (const std::string_view mark : {"error_code(0x", "Oops: "}) {
      const auto at = line.find(mark);
      if (at == std::string_view::npos) continue;
      if (const auto value = parse_hex(line.substr(at + mark.size()))) return value;
    }
  }
  return std::nullopt;
}

std::optional<FoundException> find_exception(std::span<const CpuSnapshot> cpus,
                                             const Kernel& kernel, const Architecture& arch,
                                             std::span<const oops::Report> reports,
                                             std::string_view log,
                                             std::vector<std::string>& remarks) {
  const bool panicked = std::ranges::any_of(cpus, &CpuSnapshot::panicking);
  std::vector<Candidate> candidates, notes;
  for (const CpuSnapshot& cpu : cpus) {
    if (panicked && !cpu.panicking) continue;
    for (const StackRange& stack : cpu.stacks) scan_stack(cpu, stack, kernel, arch, candidates);
    if (cpu.panicking) add_note(cpu, notes);
  }
  const Walk walk = walk_of_panic(cpus, kernel, arch);
  auto [confirmed, report] = choose(candidates, reports);
  if (!confirmed) std::tie(confirmed, report) = choose(notes, reports);
  const auto walked = confirmed ? std::nullopt : candidate_of(walk);
  const Candidate* found = confirmed ? confirmed : walked ? &*walked : nullptr;
  if (!confirmed) remark_on_unconfirmed(reports, candidates, panicked, found, remarks);
  if (!found) return std::nullopt;
  return describe(*found, report, walk, kernel, log);
}

}  // namespace rig::analyzer
