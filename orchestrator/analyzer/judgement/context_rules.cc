// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "analyzer/judgement/rules.h"
#include "analyzer/reporting_cpu.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kScarce = 50;  // 1/50 of the memory is free: 2 %

std::optional<std::uint64_t> meminfo(const Findings& facts, std::string_view name) {
  for (const MemoryRow& row : facts.memory.meminfo) {
    if (row.name == name) return row.pages;
  }
  return std::nullopt;
}

// A report that is about where code may run, not about memory.
bool is_about_context(const oops::Report& report) {
  return report.kind == "warning" || report.kind.find("atomic") != std::string::npos ||
         report.kind.find("sleeping") != std::string::npos;
}

// Who complains about his context, and in which words.
struct Complaint {
  std::string function;  // empty: not known
  std::string title;
};

// At a stop in __warn() the report is not written yet: WARN() traps, or calls it.
Complaint about_to_warn(const Backtrace& trace) {
  bool called = false;
  for (const BacktraceFrame& frame : trace.frames) {
    if (called || !frame.exception.empty()) {
      return {frame.at.function, "WARNING in " + frame.at.function};
    }
    called = frame.at.function.starts_with("warn_slowpath");
  }
  return {{}, "WARNING"};
}

std::optional<Complaint> complaint(const Findings& facts, const CpuFacts& cpu) {
  if (const auto* begun = report_begun(cpu); begun != nullptr && begun->group == "warn") {
    return about_to_warn(facts.backtrace);
  }
  const auto report = oops::cause(facts.reports);
  if (!report || !is_about_context(*report)) return std::nullopt;
  return Complaint{report->function, report->title};
}

// The function of a module through which that function was called in its context; null: none.
const CodeLocation* calling_module(const Backtrace& trace, const std::string& function) {
  auto frame = std::ranges::find_if(
      trace.frames, [&](const BacktraceFrame& each) { return each.at.function == function; });
  while (frame != trace.frames.end() && ++frame != trace.frames.end() && frame->exception.empty()) {
    if (!frame->at.module.empty() && frame->reliable) return &frame->at;
  }
  return nullptr;
}

// The outermost frame that an exception interrupted: the breakpoint, NMI or interrupt that made the
// context.
const BacktraceFrame* interrupted(const Backtrace& trace) {
  const BacktraceFrame* last = nullptr;
  for (const BacktraceFrame& frame : trace.frames) {
    if (!frame.exception.empty()) last = &frame;
  }
  return last;
}

}  // namespace

void look_at_context(const Findings& facts, std::vector<Finding>& found) {
  const auto report = oops::cause(facts.reports);
  const CpuFacts* cpu = reporting_cpu(facts);
  if (report && report->kind == "stack-guard-hit") {
    Finding finding{
        "stack-overflow", Confidence::kCertain, "a kernel stack overflowed", {}, {}, {}};
    if (!report->function.empty()) finding.evidence.push_back("in " + report->function);
    found.push_back(std::move(finding));
    return;
  }
  if (cpu == nullptr || !cpu->context) return;
  const ContextFacts& context = *cpu->context;
  const auto said = complaint(facts, *cpu);
  if (!said || (context.nmi == 0 && context.hardirq == 0)) return;
  Finding finding{context.nmi != 0 ? "in-nmi-context" : "in-interrupt-context",
                  Confidence::kLikely,
                  {},
                  {},
                  {},
                  {}};
  finding.summary = fmt::format("{} ran in {} context, where it must not: {}",
                                said->function.empty() ? "the code" : said->function,
                                context.nmi != 0 ? "NMI" : "interrupt", said->title);
  finding.evidence.push_back(
      fmt::format("preempt_count {:#x} on CPU {}: NMI {}, hardirq {}, softirq {}, preempt {}",
                  context.preempt_count, cpu->index, context.nmi, context.hardirq, context.softirq,
                  context.preempt));
  if (const auto* caller = calling_module(facts.backtrace, said->function)) {
    finding.evidence.push_back(fmt::format("called from {}", function_words(*caller)));
  }
  if (const BacktraceFrame* frame = interrupted(facts.backtrace)) {
    finding.evidence.push_back(
        fmt::format("{} interrupted {}", frame->exception, function_words(frame->at)));
  }
  found.push_back(std::move(finding));
}

void look_at_memory(const Findings& facts, std::vector<Finding>& found) {
  const auto total = meminfo(facts, "MemTotal");
  const auto available = meminfo(facts, "MemAvailable");
  const auto free = meminfo(facts, "MemFree");
  const auto left = available ? available : free;
  const bool killed = std::any_of(facts.reports.begin(), facts.reports.end(),
                                  [](const auto& each) { return each.kind == "oom-kill"; });
  if (!total || !left || *total == 0) return;
  if (!killed && *left * kScarce > *total) return;
  const auto kib = [&](std::uint64_t pages) { return pages * facts.memory.page_size / 1024; };
  Finding finding{
      "memory-exhausted", killed ? Confidence::kCertain : Confidence::kLikely, {}, {}, {}, {}};
  finding.summary = fmt::format("memory was almost gone: {} of {} KiB {}", kib(*left), kib(*total),
                                available ? "available" : "free");
  if (!facts.memory.verdict.empty()) finding.evidence.push_back(facts.memory.verdict);
  if (meminfo(facts, "SwapTotal") == 0) finding.evidence.push_back("there is no swap");
  if (killed) finding.evidence.push_back("the kernel killed a process for it");
  found.push_back(std::move(finding));
}

}  // namespace rig::analyzer
