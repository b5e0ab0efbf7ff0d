// SPDX-License-Identifier: Apache-2.0
// Guests that crashed in no way, but do not go on.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "analyzer/judgement/rules.h"
#include "analyzer/sleep_functions.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

// Seconds. A scheduler that works lets no task have a CPU for so long that others wait for, and no
// healthy guest, however slow, lets one wait uninterruptibly for so long.
constexpr double kLongRun = 4;
constexpr double kLongWait = 8;
constexpr std::size_t kFrames = 4;  // of a stack, for a sentence

using Waits = std::map<VirtAddr, const WaitFacts*>;

std::string task_words(const std::string& comm, const std::optional<std::uint64_t>& pid) {
  return pid ? fmt::format("{} (pid {})", comm, *pid) : comm;
}

std::string lock_words(const LockFacts& lock) {
  return fmt::format("the {} {}", lock.kind,
                     lock.name.empty() ? fmt::format("{}", lock.at) : lock.name);
}

std::string trace_words(const Backtrace& trace) {
  std::vector<std::string> functions;
  for (const BacktraceFrame& frame : trace.frames) {
    if (functions.size() == kFrames) break;
    if (functions.empty() && is_sleep_function(frame.at.function)) continue;
    if (frame.reliable) functions.push_back(function_words(frame.at));
  }
  return fmt::format("{}", fmt::join(functions, " < "));
}

bool says_hang(const Findings& facts) {
  const auto report = oops::cause(facts.reports);
  return report && oops::is_hang(report->kind);
}

// Something else ended this guest: what waits in it is no news.
bool is_crash(const Findings& facts) {
  const auto report = oops::cause(facts.reports);
  if (report) return !oops::is_hang(report->kind);
  return facts.exception.has_value() || facts.panic.has_value();
}

// The tasks that wait for each other in a ring that `first` is part of; empty: it is in none.
std::vector<const WaitFacts*> ring_of(const Waits& waits, const WaitFacts& first) {
  std::vector<const WaitFacts*> ring;
  const WaitFacts* at = &first;
  while (ring.size() <= waits.size()) {
    ring.push_back(at);
    if (!at->lock) return {};
    const auto next = waits.find(at->lock->owner);
    if (next == waits.end()) return {};
    if (next->second == &first) return ring;
    at = next->second;
  }
  return {};
}

void find_deadlocks(const Waits& waits, std::set<VirtAddr>& told, std::vector<Finding>& found) {
  for (const auto& [task, wait] : waits) {
    if (told.contains(task)) continue;
    const auto ring = ring_of(waits, *wait);
    if (ring.empty()) continue;
    Finding finding{"deadlock", Confidence::kCertain, {}, {}, {}, {}};
    std::vector<std::string> names;
    for (const WaitFacts* each : ring) {
      told.insert(each->task);
      names.push_back(task_words(each->comm, each->pid));
      finding.evidence.push_back(fmt::format("{} waits for {}, which {} has, in {}", names.back(),
                                             lock_words(*each->lock), each->lock->owner_comm,
                                             trace_words(each->backtrace)));
    }
    finding.summary =
        ring.size() == 1 ? names[0] + " waits for a lock that it has itself"
                         : fmt::format("{} wait for each other's locks", fmt::join(names, " and "));
    for (const auto& [other, waits_too] : waits) {
      if (!waits_too->lock || !told.contains(waits_too->lock->owner)) continue;
      if (!told.insert(other).second) continue;
      finding.evidence.push_back(fmt::format("{} waits for {} as well",
                                             task_words(waits_too->comm, waits_too->pid),
                                             lock_words(*waits_too->lock)));
    }
    found.push_back(std::move(finding));
  }
}

// Who has waited longest, and who else waits for which lock.
void find_longest_wait(const Findings& facts, const std::set<VirtAddr>& told,
                       std::vector<Finding>& found) {
  const auto longest = std::ranges::find_if(facts.waits, [&](const WaitFacts& each) {
    return !told.contains(each.task) && each.seconds.value_or(0) >= kLongWait;
  });
  if (longest == facts.waits.end()) return;
  Finding finding{"task-blocked",
                  says_hang(facts) ? Confidence::kLikely : Confidence::kPossible,
                  {},
                  {},
                  {},
                  {}};
  finding.summary = fmt::format("{} has waited for {}, uninterruptible, in {}",
                                task_words(longest->comm, longest->pid),
                                human_seconds(*longest->seconds), trace_words(longest->backtrace));
  for (const WaitFacts& each : facts.waits) {
    if (!each.lock || finding.evidence.size() == kFrames) continue;
    finding.evidence.push_back(
        fmt::format("{} waits for {}{}", task_words(each.comm, each.pid), lock_words(*each.lock),
                    raw(each.lock->owner) == 0
                        ? ""
                        : fmt::format(", which {} has",
                                      task_words(each.lock->owner_comm, each.lock->owner_pid))));
  }
  found.push_back(std::move(finding));
}

// The functions that it stands in, as far as two CPUs that wait for the same would share them.
std::vector<std::string> place_of(const CpuFacts& cpu) {
  constexpr std::size_t kShared = 2;
  std::vector<std::string> functions;
  for (const BacktraceFrame& frame : cpu.backtrace.frames) {
    if (functions.size() == kShared || !frame.reliable) break;
    functions.push_back(frame.at.function);
  }
  return functions;
}

// Two or more CPUs that are all in one place with interrupts off: nothing can end that but one of
// them, and the guest's clocks stand still as well.
bool all_stuck_alike(const Findings& facts) {
  if (facts.cpus.size() < 2) return false;
  const auto place = place_of(facts.cpus.front());
  return !place.empty() && std::ranges::all_of(facts.cpus, [&](const CpuFacts& cpu) {
    return !cpu.idle && cpu.context && cpu.context->irqs_off == true && place_of(cpu) == place;
  });
}

std::string context_words(const ContextFacts& context) {
  std::vector<std::string> words;
  if (context.irqs_off == true) words.emplace_back("interrupts off");
  if (context.preempt != 0) words.emplace_back("preemption disabled");
  if (context.words != "task") words.push_back("in " + context.words + " context");
  return words.empty() ? "interrupts on" : fmt::format("{}", fmt::join(words, ", "));
}

void find_stuck_cpus(const Findings& facts, std::vector<Finding>& found) {
  const bool alike = all_stuck_alike(facts);
  const auto report = oops::cause(facts.reports);
  for (const CpuFacts& cpu : facts.cpus) {
    const bool named = says_hang(facts) && report->cpu == cpu.index && !cpu.idle;
    const bool kept = cpu.running.value_or(0) >= kLongRun && cpu.queued != 0;
    if (!alike && !named && !kept) continue;
    Finding finding{
        "cpu-stuck", named || kept ? Confidence::kLikely : Confidence::kPossible, {}, {}, {}, {}};
    finding.summary =
        fmt::format("CPU {} does not leave {}", cpu.index, trace_words(cpu.backtrace));
    finding.evidence.push_back(fmt::format("it runs {}{}", task_words(cpu.comm, cpu.pid),
                                           cpu.context ? ", " + context_words(*cpu.context) : ""));
    if (kept) {
      finding.evidence.push_back(
          fmt::format("that task has had the CPU for {}, and {} more wait for it",
                      human_seconds(*cpu.running), cpu.queued));
    }
    if (named) finding.evidence.push_back("the kernel reported it: " + report->title);
    if (alike) finding.evidence.emplace_back("all CPUs are there, and none takes interrupts");
    found.push_back(std::move(finding));
  }
}

}  // namespace

void look_at_hang(const Findings& facts, std::vector<Finding>& found) {
  if (!found.empty() || is_crash(facts)) return;
  Waits waits;
  for (const WaitFacts& each : facts.waits) waits.emplace(each.task, &each);
  std::set<VirtAddr> told;
  find_deadlocks(waits, told, found);
  find_stuck_cpus(facts, found);
  find_longest_wait(facts, told, found);
}

}  // namespace rig::analyzer
