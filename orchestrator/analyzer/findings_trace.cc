// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "analyzer/findings_parts.h"
#include "analyzer/symbols/kernel.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::ptrdiff_t kFewFrames = 3;
constexpr std::size_t kMaxFrames = 32;

void put_log_frame(std::string& out, const oops::Frame& frame) {
  const auto module = frame.module.empty() ? "" : fmt::format(" [{}]", frame.module);
  out += fmt::format("         {} {}+{:#x}/{:#x}{}\n", frame.reliable ? ' ' : '?',
                     printable(frame.function), frame.offset, frame.size, printable(module));
}

// The frames that the kernel was sure of; the others are stale words of the stack more often than
// callers. All of them when too few are sure to tell a story.
void put_log_trace(std::string& out, const std::vector<oops::Report>& reports) {
  const auto report = oops::cause(reports);
  if (!report || report->frames.empty()) return;
  const std::vector<oops::Frame>& frames = report->frames;
  const auto sure = std::ranges::count_if(frames, &oops::Frame::reliable);
  const bool all = sure < kFewFrames;
  out += "\nCALL TRACE, from the kernel's log\n";
  std::size_t shown = 0;
  std::size_t left = 0;
  for (const oops::Frame& frame : frames) {
    if ((all || frame.reliable) && shown < kMaxFrames) {
      put_log_frame(out, frame);
      ++shown;
    } else {
      ++left;
    }
  }
  if (left != 0) out += fmt::format("           {} more, unsure or far out: see --json\n", left);
}

// "  net/core/skbuff.c:799", after the innermost function that was inlined there.
void put_source(std::string& out, const std::vector<SourceLine>& source) {
  for (const SourceLine& each : source) {
    const auto inlined = each.inlined ? fmt::format("{} inlined, ", each.function) : "";
    put(out, "               ", fmt::format("{}{}:{}", inlined, each.file, each.line));
  }
}

void put_frame(std::string& out, const BacktraceFrame& frame) {
  if (!frame.stack.empty()) put(out, "         - ", frame.stack);
  put(out, fmt::format("         {} ", frame.reliable ? ' ' : '?'),
      to_string(frame.at) +
          (frame.exception.empty() ? "" : fmt::format(", interrupted by {}", frame.exception)));
  put_source(out, frame.source);
}

// Recursion: the same place of the same function, again and again.
bool repeats(const BacktraceFrame& frame, const BacktraceFrame& before) {
  return frame.at.address == before.at.address && frame.stack.empty() && frame.exception.empty();
}

void put_backtrace(std::string& out, const Backtrace& trace) {
  out += "\nCALL TRACE, from the stacks\n";
  std::size_t shown = 0, repeated = 0;
  for (std::size_t i = 0; i < trace.frames.size(); ++i) {
    if (i > 0 && repeats(trace.frames[i], trace.frames[i - 1])) {
      ++repeated;
      continue;
    }
    if (repeated != 0) {
      out += fmt::format("           the same {} more times\n", std::exchange(repeated, 0));
    }
    if (++shown > kMaxFrames) {
      out += fmt::format("           {} more: see --json\n", trace.frames.size() - i);
      break;
    }
    put_frame(out, trace.frames[i]);
  }
  if (repeated != 0) out += fmt::format("           the same {} more times\n", repeated);
  put(out, trace.complete ? "           " : "         ? ", trace.end);
}

// "NMI, preempt_count 0x80110003, irqs off"
std::string in_context(const std::optional<ContextFacts>& context) {
  if (!context) return {};
  std::string text = context->words;
  if (context->preempt_count != 0) text += fmt::format(", preempt {:#x}", context->preempt_count);
  if (context->irqs_off) text += *context->irqs_off ? ", irqs off" : ", irqs on";
  return text;
}

}  // namespace

void put_trace(std::string& out, const Findings& findings) {
  // A walk that got nowhere tells less than the log.
  if (findings.backtrace.frames.size() > 1) {
    put_backtrace(out, findings.backtrace);
  } else {
    put_log_trace(out, findings.reports);
  }
}

void put_cpus(std::string& out, const std::vector<CpuFacts>& cpus) {
  if (cpus.empty()) return;
  out += "\nCPUS\n";
  for (const CpuFacts& cpu : cpus) {
    put(out,
        fmt::format("  {} {:>3}    {:<24} ", cpu.panicking ? '*' : ' ', cpu.index,
                    printable(who(cpu.comm, cpu.pid))),
        fmt::format("{:<32} {}", cpu.at ? to_string(*cpu.at) : "", in_context(cpu.context)));
  }
  if (std::ranges::any_of(cpus, &CpuFacts::panicking)) out += "  * panicked\n";
}

namespace {

constexpr std::size_t kMaxShownWaits = 8;
constexpr std::size_t kMaxWaitFrames = 6;

// "f < g < h"
std::string chain(const Backtrace& trace) {
  std::string text;
  std::size_t shown = 0;
  for (const BacktraceFrame& frame : trace.frames) {
    if (shown++ == kMaxWaitFrames) break;
    text += (text.empty() ? "" : " < ") + to_string(frame.at);
  }
  return text;
}

}  // namespace

void put_cpu_traces(std::string& out, const std::vector<CpuFacts>& cpus) {
  out += "\nSTACKS OF ALL CPUS\n";
  for (const CpuFacts& cpu : cpus) {
    put(out, fmt::format("    {:>3}    ", cpu.index), chain(cpu.backtrace));
  }
}

void put_waits(std::string& out, const std::vector<WaitFacts>& waits) {
  if (waits.empty()) return;
  out += "\nTASKS THAT WAIT, UNINTERRUPTIBLE\n";
  for (std::size_t i = 0; i < std::min(waits.size(), kMaxShownWaits); ++i) {
    const WaitFacts& wait = waits[i];
    auto text = wait.seconds ? fmt::format("for {}: ", human_seconds(*wait.seconds)) : "";
    if (wait.lock) {
      const LockFacts& lock = *wait.lock;
      text += fmt::format("for the {} {}", lock.kind,
                          lock.name.empty() ? fmt::format("{}", lock.at) : lock.name);
      if (raw(lock.owner) != 0) text += ", which " + who(lock.owner_comm, lock.owner_pid) + " has";
      text += ": ";
    }
    put(out, fmt::format("    {:<24} ", printable(who(wait.comm, wait.pid))),
        text + chain(wait.backtrace));
  }
  if (waits.size() > kMaxShownWaits) {
    out += fmt::format("    {} more: see --json\n", waits.size() - kMaxShownWaits);
  }
}

}  // namespace rig::analyzer
