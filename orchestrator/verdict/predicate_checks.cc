// SPDX-License-Identifier: Apache-2.0
#include "verdict/predicate_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "analyzer/reporting_cpu.h"
#include "base/text.h"
#include "scenario/cache_name.h"
#include "verdict/words.h"

namespace rig::verdict {

namespace {

using analyzer::Findings;
using analyzer::ObjectTrack;
using analyzer::SlabCorruption;
using scenario::CorruptionPredicate;
using scenario::PerCpuPredicate;

constexpr std::string_view kNotAnalyzed = "no findings: the core was not analyzed";

bool names(const analyzer::CodeLocation& at, std::string_view who) {
  return plain_function(at.function) == who || at.module == who;
}

// Is that function, or its module, on the stack of who had the object?
bool done_by(const std::optional<ObjectTrack>& track, std::string_view who) {
  if (!track) return false;
  if (track->caller && names(*track->caller, who)) return true;
  return std::any_of(track->stack.begin(), track->stack.end(),
                     [&](const auto& each) { return names(each, who); });
}

std::string wrong_from(unsigned byte) {
  return fmt::format(", wrong from byte {} on", byte);
}

std::string describe(const CorruptionPredicate& predicate) {
  std::string text = predicate.kind.value_or("a corruption");
  if (predicate.cache) text += " in " + *predicate.cache;
  if (predicate.offset) text += " at " + signed_hex(*predicate.offset);
  if (predicate.bytes) text += ", bytes " + hex_bytes(*predicate.bytes);
  if (predicate.pointer) text += fmt::format(", pointer {:#x}", *predicate.pointer);
  if (predicate.wrong_byte) text += wrong_from(*predicate.wrong_byte);
  if (predicate.allocated) text += *predicate.allocated ? ", allocated" : ", free";
  if (predicate.allocated_by) text += ", allocated by " + *predicate.allocated_by;
  if (predicate.freed_by) text += ", freed by " + *predicate.freed_by;
  return text;
}

std::string first_function(const std::optional<ObjectTrack>& track) {
  if (!track) return {};
  if (track->caller && !track->caller->function.empty()) return track->caller->function;
  return track->stack.empty() ? std::string() : track->stack.front().function;
}

std::string describe(const SlabCorruption& found) {
  std::string text = fmt::format("{} in {}", to_string(found.kind), found.cache);
  if (found.object) text += fmt::format(" object {} {}", *found.object, signed_hex(found.offset));
  if (!found.found.empty()) text += ", bytes " + hex_bytes(found.found);
  if (found.pointer) text += fmt::format(", pointer {}", *found.pointer);
  if (found.wrong_byte) text += wrong_from(*found.wrong_byte);
  if (const auto by = first_function(found.alloc); !by.empty()) text += ", allocated by " + by;
  if (const auto by = first_function(found.free); !by.empty()) text += ", freed by " + by;
  return text;
}

// The bytes that are asked for are the first of those found: more may have been overwritten.
bool begins_with(const std::vector<std::byte>& found, const std::vector<std::byte>& wanted) {
  return found.size() >= wanted.size() && std::equal(wanted.begin(), wanted.end(), found.begin());
}

bool fits(const CorruptionPredicate& predicate, const SlabCorruption& found) {
  using scenario::canonical_cache_name;
  if (predicate.kind && *predicate.kind != to_string(found.kind)) return false;
  if (predicate.cache &&
      canonical_cache_name(*predicate.cache) != canonical_cache_name(found.cache)) {
    return false;
  }
  if (predicate.offset && *predicate.offset != found.offset) return false;
  if (predicate.bytes && !begins_with(found.found, *predicate.bytes)) return false;
  if (predicate.pointer && (!found.pointer || raw(*found.pointer) != *predicate.pointer))
    return false;
  if (predicate.wrong_byte && found.wrong_byte != predicate.wrong_byte) return false;
  if (predicate.allocated && found.allocated != predicate.allocated) return false;
  if (predicate.allocated_by && !done_by(found.alloc, *predicate.allocated_by)) return false;
  return !predicate.freed_by || done_by(found.free, *predicate.freed_by);
}

struct CpuValue {
  unsigned cpu = 0;
  bool panicked = false;
  std::uint64_t value = 0;
};

std::uint64_t context_count(const analyzer::ContextFacts& context, std::string_view name) {
  if (name == "nmi") return context.nmi;
  if (name == "hardirq") return context.hardirq;
  if (name == "softirq") return context.softirq;
  if (name == "preempt") return context.preempt;
  return context.preempt_count;
}

// A core that was taken before the report has nobody who panicked: there it is who reports.
bool has_panicked(const Findings& findings, unsigned cpu) {
  const auto* reporting = analyzer::reporting_cpu(findings);
  return reporting != nullptr && reporting->index == cpu;
}

// Each CPU's value of the variable; `why` when there is none.
std::vector<CpuValue> values_of(const Findings& findings, const std::string& name,
                                std::string& why) {
  std::vector<CpuValue> values;
  if (scenario::is_context_count(name)) {
    for (const auto& cpu : findings.cpus) {
      if (!cpu.context) continue;
      values.push_back(
          {cpu.index, has_panicked(findings, cpu.index), context_count(*cpu.context, name)});
    }
    if (values.empty()) why = "no CPU's context is known";
    return values;
  }
  const auto found = std::find_if(findings.percpu.begin(), findings.percpu.end(),
                                  [&](const auto& each) { return each.name == name; });
  if (found == findings.percpu.end()) {
    why = fmt::format("the core was not asked for {}", name);
    return values;
  }
  why = found->problem;
  for (const auto& each : found->values) {
    values.push_back({each.cpu, has_panicked(findings, each.cpu), each.value});
  }
  return values;
}

void subtract(std::vector<CpuValue>& values, const std::vector<CpuValue>& others) {
  for (CpuValue& each : values) {
    const auto other = std::find_if(others.begin(), others.end(),
                                    [&](const CpuValue& at) { return at.cpu == each.cpu; });
    if (other != others.end()) each.value -= other->value;
  }
}

std::string where_words(const PerCpuPredicate& predicate) {
  using Where = PerCpuPredicate::Where;
  switch (predicate.where) {
    case Where::kAny:
      return "on some CPU";
    case Where::kAll:
      return "on every CPU";
    case Where::kPanicked:
      return "on the CPU that panicked";
    case Where::kSum:
      return "over all CPUs";
    case Where::kOne:
      return fmt::format("on CPU {}", predicate.cpu);
  }
  return {};
}

bool is_asked(const PerCpuPredicate& predicate, const CpuValue& value) {
  using Where = PerCpuPredicate::Where;
  if (predicate.where == Where::kPanicked) return value.panicked;
  if (predicate.where == Where::kOne) return value.cpu == predicate.cpu;
  return true;
}

std::string number(std::uint64_t value) {
  const auto as_signed = static_cast<std::int64_t>(value);
  if (as_signed < 0) return fmt::format("{}", as_signed);
  return value < 0x100 ? fmt::format("{}", value) : fmt::format("{:#x}", value);
}

}  // namespace

std::string plain_function(std::string_view name) {
  for (const std::string_view suffix : {".isra.", ".constprop.", ".part.", ".cold"}) {
    name = name.substr(0, name.find(suffix));
  }
  return std::string(name);
}

Check check_corruption(const CorruptionPredicate& predicate, const Findings* findings) {
  Check check{
      .predicate = "corruption", .expected = describe(predicate), .found = {}, .holds = false};
  if (findings == nullptr || !findings->slab.audited) {
    check.found = findings == nullptr ? std::string(kNotAnalyzed)
                  : findings->slab.unwalked.empty()
                      ? "the slab caches were not audited"
                      : "the slab caches were not audited: " + findings->slab.unwalked.front();
    return check;
  }
  std::vector<std::string> others;
  for (const SlabCorruption& each : findings->slab.corruptions) {
    if (fits(predicate, each)) {
      check.holds = true;
      check.found = describe(each);
      return check;
    }
    others.push_back(describe(each));
  }
  check.found = others.empty() ? "no corruption in any slab cache" : join_some(others);
  return check;
}

std::optional<std::string> missing_function(std::span<const std::string> functions,
                                            const analyzer::Backtrace& trace) {
  auto frame = trace.frames.begin();
  for (const std::string& function : functions) {
    frame = std::find_if(frame, trace.frames.end(), [&](const analyzer::BacktraceFrame& each) {
      return each.reliable && plain_function(each.at.function) == function;
    });
    if (frame == trace.frames.end()) return function;
    ++frame;
  }
  return std::nullopt;
}

std::string trace_words(const analyzer::Backtrace& trace) {
  std::vector<std::string> names;
  for (const auto& frame : trace.frames) {
    if (frame.reliable && !frame.at.function.empty()) {
      names.push_back(plain_function(frame.at.function));
    }
  }
  return names.empty() ? "no back trace" : fmt::format("{}", fmt::join(names, " < "));
}

Check check_backtrace(std::span<const std::string> functions, const Findings* findings) {
  Check check{.predicate = "backtrace",
              .expected = fmt::format("{}", fmt::join(functions, " < ")),
              .found = std::string(kNotAnalyzed),
              .holds = false};
  if (findings == nullptr) return check;
  const auto missing = missing_function(functions, findings->backtrace);
  check.holds = !missing;
  check.found = check.expected;
  if (missing) {
    const std::string trace = trace_words(findings->backtrace);
    check.found = trace == "no back trace"
                      ? trace
                      : fmt::format("{} is not there, or not in this order: {}", *missing, trace);
  }
  return check;
}

Check check_percpu(const PerCpuPredicate& predicate, const Findings* findings) {
  using Where = PerCpuPredicate::Where;
  const std::string name =
      predicate.minus ? predicate.variable + " - " + *predicate.minus : predicate.variable;
  Check check{
      .predicate = "percpu." + predicate.variable,
      .expected = fmt::format("{} {} {}", name, predicate.is.text(), where_words(predicate)),
      .found = std::string(kNotAnalyzed),
      .holds = false};
  if (findings == nullptr) return check;
  std::string why;
  auto values = values_of(*findings, predicate.variable, why);
  if (predicate.minus && why.empty()) {
    subtract(values, values_of(*findings, *predicate.minus, why));
  }
  std::erase_if(values, [&](const CpuValue& each) { return !is_asked(predicate, each); });
  if (!why.empty() || values.empty()) {
    check.found = !why.empty() ? why : "no such CPU";
    return check;
  }
  if (predicate.where == Where::kSum) {
    std::uint64_t sum = 0;
    for (const CpuValue& each : values) sum += each.value;
    check.found = number(sum);
    check.holds = predicate.is.holds(sum);
    return check;
  }
  const auto good = [&](const CpuValue& each) { return predicate.is.holds(each.value); };
  check.holds = predicate.where == Where::kAny ? std::any_of(values.begin(), values.end(), good)
                                               : std::all_of(values.begin(), values.end(), good);
  std::vector<std::string> words;
  for (const CpuValue& each : values) {
    words.push_back(fmt::format("{} on CPU {}", number(each.value), each.cpu));
  }
  check.found = fmt::format("{}", fmt::join(words, ", "));
  return check;
}

Check check_memory(const scenario::MemoryPredicate& predicate, const Findings* findings) {
  Check check{.predicate = "memory." + predicate.row,
              .expected = predicate.is.text(),
              .found = std::string(kNotAnalyzed),
              .holds = false};
  if (findings == nullptr) return check;
  const auto row = [&](std::string_view name) -> std::optional<std::uint64_t> {
    for (const auto& each : findings->memory.meminfo) {
      if (each.name == name) return each.pages * findings->memory.page_size;
    }
    return std::nullopt;
  };
  const auto found = row(predicate.row);
  const auto total = row("MemTotal");
  if (!found || (predicate.is.percent && !total)) {
    check.found = fmt::format("this core does not tell {}", found ? "MemTotal" : predicate.row);
    return check;
  }
  check.holds = predicate.is.holds(*found, total.value_or(0));
  check.found = fmt::format("{} KiB", *found / 1024);
  if (total && *total != 0)
    check.found += fmt::format(" ({:.1f} %)",
                               100.0 * static_cast<double>(*found) / static_cast<double>(*total));
  return check;
}

}  // namespace rig::verdict
