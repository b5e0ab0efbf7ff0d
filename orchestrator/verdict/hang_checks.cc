// SPDX-License-Identifier: Apache-2.0
#include "verdict/hang_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>

#include "verdict/predicate_checks.h"
#include "verdict/words.h"

namespace rig::verdict {
namespace {

using analyzer::CpuFacts;
using analyzer::Findings;
using analyzer::WaitFacts;
using scenario::CpuPredicate;
using scenario::TaskPredicate;

constexpr std::string_view kNoFindings = "no findings: the core was not analyzed";

void add(std::string& text, std::string_view more) {
  if (!text.empty()) text += ", ";
  text += more;
}

bool fits(const CpuPredicate& predicate, const CpuFacts& cpu) {
  if (predicate.irqs_off && (!cpu.context || cpu.context->irqs_off != predicate.irqs_off)) {
    return false;
  }
  return !missing_function(predicate.backtrace, cpu.backtrace);
}

std::string cpu_words(const CpuPredicate& predicate) {
  std::string text = fmt::format("{}", fmt::join(predicate.backtrace, " < "));
  if (predicate.irqs_off) add(text, *predicate.irqs_off ? "interrupts off" : "interrupts on");
  return text;
}

std::string cpu_words(const CpuFacts& cpu) {
  std::string text = fmt::format("CPU {}: {}", cpu.index, trace_words(cpu.backtrace));
  if (cpu.context && cpu.context->irqs_off == true) add(text, "interrupts off");
  return text;
}

// Gives each predicate a CPU of its own: a matching, found by trying (there are few of both).
class Assignment {
 public:
  Assignment(const std::vector<CpuPredicate>& predicates, const std::vector<CpuFacts>& cpus)
      : predicates_(predicates), cpus_(cpus), of_cpu_(cpus.size()), of_(predicates.size()) {
    for (std::size_t i = 0; i < predicates.size(); ++i) {
      std::vector<bool> tried(cpus.size());
      place(i, tried);
    }
    for (std::size_t cpu = 0; cpu < cpus.size(); ++cpu) {
      if (of_cpu_[cpu]) of_[*of_cpu_[cpu]] = cpu;
    }
  }

  const CpuFacts* cpu_of(std::size_t predicate) const {
    return of_[predicate] ? &cpus_[*of_[predicate]] : nullptr;
  }

 private:
  bool place(std::size_t predicate, std::vector<bool>& tried) {
    for (std::size_t cpu = 0; cpu < cpus_.size(); ++cpu) {
      if (tried[cpu] || !fits(predicates_[predicate], cpus_[cpu])) continue;
      tried[cpu] = true;
      if (of_cpu_[cpu] && !place(*of_cpu_[cpu], tried)) continue;
      of_cpu_[cpu] = predicate;
      return true;
    }
    return false;
  }

  const std::vector<CpuPredicate>& predicates_;
  const std::vector<CpuFacts>& cpus_;
  std::vector<std::optional<std::size_t>> of_cpu_, of_;
};

bool fits(const TaskPredicate& predicate, const WaitFacts& task) {
  if (predicate.comm && *predicate.comm != task.comm) return false;
  if (missing_function(predicate.backtrace, task.backtrace)) return false;
  if (!predicate.lock && !predicate.owner) return true;
  if (!task.lock) return false;
  // "hang_first [hang]" is called hang_first.
  const std::string_view name = std::string_view(task.lock->name);
  if (predicate.lock && *predicate.lock != task.lock->kind &&
      *predicate.lock != name.substr(0, name.find(' '))) {
    return false;
  }
  return !predicate.owner || *predicate.owner == task.lock->owner_comm;
}

std::string task_words(const TaskPredicate& predicate) {
  std::string text = predicate.comm.value_or("a task");
  if (!predicate.backtrace.empty()) {
    add(text, fmt::format("in {}", fmt::join(predicate.backtrace, " < ")));
  }
  if (predicate.lock) add(text, "waits for " + *predicate.lock);
  if (predicate.owner) add(text, "which " + *predicate.owner + " has");
  return text;
}

std::string task_words(const WaitFacts& task) {
  std::string text = fmt::format("{} in {}", task.comm, trace_words(task.backtrace));
  if (!task.lock) return text;
  const analyzer::LockFacts& lock = *task.lock;
  add(text, fmt::format("waits for {} {}", lock.kind,
                        lock.name.empty() ? fmt::format("{}", lock.at) : lock.name));
  if (raw(lock.owner) != 0) add(text, "which " + lock.owner_comm + " has");
  return text;
}

std::string how_it_ended(const Observation& seen) {
  if (seen.hung) return seen.hang ? fmt::format("a {} hang", to_string(*seen.hang)) : "a hang";
  if (seen.crashed) return "it crashed";
  return seen.survived ? "it went on" : "no end";
}

}  // namespace

Check check_hang(const scenario::HangPredicate& predicate, const Observation& seen) {
  const bool kind = !predicate.kind || predicate.kind == seen.hang;
  return {.predicate = "hang",
          .expected = predicate.kind ? fmt::format("a {} hang", to_string(*predicate.kind))
                                     : std::string("a hang"),
          .found = how_it_ended(seen),
          .holds = seen.hung && kind};
}

Check check_during(scenario::During during, const Observation& seen) {
  const auto words = [](bool boot) { return boot ? "the boot" : "the load"; };
  const bool boot = during == scenario::During::kBoot;
  return {.predicate = "during",
          .expected = words(boot),
          .found = words(seen.in_boot),
          .holds = boot == seen.in_boot};
}

std::vector<Check> check_cpus(const std::vector<CpuPredicate>& predicates,
                              const Findings* findings) {
  std::vector<Check> checks;
  const std::vector<CpuFacts> none;
  const auto& cpus = findings == nullptr ? none : findings->cpus;
  const Assignment assignment(predicates, cpus);
  std::vector<std::string> all;
  for (const CpuFacts& cpu : cpus) all.push_back(cpu_words(cpu));
  for (std::size_t i = 0; i < predicates.size(); ++i) {
    const CpuFacts* cpu = assignment.cpu_of(i);
    checks.push_back({.predicate = "cpu",
                      .expected = cpu_words(predicates[i]),
                      .found = cpu != nullptr        ? cpu_words(*cpu)
                               : findings == nullptr ? std::string(kNoFindings)
                                                     : join_some(all),
                      .holds = cpu != nullptr});
  }
  return checks;
}

Check check_task(const TaskPredicate& predicate, const Findings* findings) {
  Check check{.predicate = "task",
              .expected = task_words(predicate),
              .found = std::string(kNoFindings),
              .holds = false};
  if (findings == nullptr) return check;
  std::vector<std::string> others;
  for (const WaitFacts& task : findings->waits) {
    others.push_back(task_words(task));
    if (!fits(predicate, task)) continue;
    check.holds = true;
    check.found = others.back();
    return check;
  }
  check.found = others.empty() ? "no task waits uninterruptibly" : join_some(others);
  return check;
}

}  // namespace rig::verdict
