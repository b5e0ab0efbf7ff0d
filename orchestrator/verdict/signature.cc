// SPDX-License-Identifier: Apache-2.0
#include "verdict/signature.h"

#include <algorithm>
#include <set>

#include "analyzer/sleep_functions.h"
#include "verdict/predicate_checks.h"

namespace rig::verdict {

namespace {

using analyzer::CorruptionKind;
using analyzer::Findings;
using analyzer::ObjectTrack;
using analyzer::SlabCorruption;
using scenario::CorruptionPredicate;
using scenario::Expectation;

constexpr std::uint64_t kSmall = 64 << 10;  // an address below is an offset, not a place
constexpr std::size_t kMaxCorruptions = 3;
constexpr std::size_t kMaxFrames = 3;
constexpr std::size_t kMaxTasks = 4;
constexpr std::size_t kMaxBytes = 16;

std::optional<std::string> unless_empty(std::string text) {
  if (text.empty()) return std::nullopt;
  return text;
}

scenario::ReportPredicate report_of(const oops::Report& report) {
  scenario::ReportPredicate predicate;
  predicate.kind = unless_empty(report.kind);
  predicate.function = unless_empty(report.function);
  predicate.access = unless_empty(report.access);
  predicate.cache = unless_empty(report.cache);
  if (report.address && *report.address < kSmall) predicate.address = report.address;
  return predicate;
}

// The function that had the object, not the allocator's; without an inlined or cloned form's name.
std::optional<std::string> owner(const std::optional<ObjectTrack>& track) {
  if (!track) return std::nullopt;
  const auto module = std::find_if(track->stack.begin(), track->stack.end(),
                                   [](const auto& each) { return !each.module.empty(); });
  if (module != track->stack.end() && !module->function.empty()) {
    return plain_function(module->function);
  }
  if (track->caller) return unless_empty(plain_function(track->caller->function));
  return std::nullopt;
}

// Free pointers and what lies on them differ from boot to boot; poison and red zones do not.
bool bytes_last(CorruptionKind kind) {
  return kind == CorruptionKind::kPoisonOverwritten ||
         kind == CorruptionKind::kRedZoneOverwritten || kind == CorruptionKind::kPaddingOverwritten;
}

// A value that leads into memory is a place, and another one next time.
bool holds_address(const std::vector<std::byte>& bytes) {
  if (bytes.size() < 8) return false;
  return bytes[7] == std::byte{0xff} && bytes[6] == std::byte{0xff};
}

CorruptionPredicate corruption_of(const SlabCorruption& found) {
  CorruptionPredicate predicate;
  predicate.kind = std::string(to_string(found.kind));
  predicate.cache = unless_empty(found.cache);
  if (found.object) predicate.offset = found.offset;
  if (bytes_last(found.kind) && !found.found.empty() && found.found.size() <= kMaxBytes &&
      !holds_address(found.found)) {
    predicate.bytes = found.found;
  }
  predicate.wrong_byte = found.wrong_byte;
  predicate.allocated_by = owner(found.alloc);
  predicate.freed_by = owner(found.free);
  return predicate;
}

bool same(const CorruptionPredicate& a, const CorruptionPredicate& b) {
  return a.kind == b.kind && a.cache == b.cache && a.offset == b.offset && a.bytes == b.bytes &&
         a.wrong_byte == b.wrong_byte && a.allocated_by == b.allocated_by &&
         a.freed_by == b.freed_by;
}

std::vector<CorruptionPredicate> corruptions_of(const Findings& findings) {
  std::vector<CorruptionPredicate> all;
  for (const SlabCorruption& each : findings.slab.corruptions) {
    CorruptionPredicate predicate = corruption_of(each);
    const bool known = std::any_of(all.begin(), all.end(),
                                   [&](const auto& other) { return same(other, predicate); });
    if (!known && all.size() < kMaxCorruptions) all.push_back(std::move(predicate));
  }
  return all;
}

// What the fault stumbled over, where it is a number and no place.
std::optional<scenario::ObjectPredicate> object_of(const Findings& findings) {
  const auto& fault = findings.fault;
  if (!fault || !fault->source || !fault->source->object || fault->value == 0) return std::nullopt;
  if (fault->value >= kSmall) return std::nullopt;
  scenario::ObjectPredicate predicate;
  predicate.holds = fault->value;
  predicate.size = 4;
  predicate.offset = fault->source->offset;
  predicate.cache = unless_empty(fault->source->object->cache);
  for (const auto& each : findings.provenance) {
    if (each.object != fault->source->object->address || !each.certain || each.guesses.empty())
      continue;
    std::string type = each.guesses.front().type;
    if (type.starts_with("struct ")) type = type.substr(7);
    predicate.was = std::move(type);
  }
  return predicate;
}

// From the faulting function outwards: how the kernel came to die is the same in every crash.
std::vector<std::string> backtrace_of(const Findings& findings) {
  const auto& frames = findings.backtrace.frames;
  const auto report = oops::cause(findings.reports);
  auto from = frames.begin();
  for (auto at = frames.begin(); at != frames.end(); ++at) {
    if (at->exception.empty()) continue;
    from = at;
    // What the report is about may itself have interrupted something, as a breakpoint does.
    if (report && plain_function(at->at.function) == plain_function(report->function)) break;
  }
  if (from == frames.begin() && report && (frames.empty() || frames.front().exception.empty())) {
    from = std::find_if(frames.begin(), frames.end(), [&](const auto& each) {
      return plain_function(each.at.function) == plain_function(report->function);
    });
  }
  std::vector<std::string> functions;
  for (; from != frames.end() && functions.size() < kMaxFrames; ++from) {
    if (!from->reliable || from->at.function.empty()) break;
    functions.push_back(plain_function(from->at.function));
  }
  return functions;
}

// What the panicking CPU was in the middle of, when the report is about that.
std::vector<scenario::PerCpuPredicate> context_of(const Findings& findings) {
  std::vector<scenario::PerCpuPredicate> predicates;
  for (const auto& each : findings.findings) {
    if (each.kind != "in-nmi-context") continue;
    scenario::PerCpuPredicate predicate;
    predicate.variable = "nmi";
    predicate.where = scenario::PerCpuPredicate::Where::kPanicked;
    predicate.is = {scenario::Bound::Op::kGreater, 0, false};
    predicates.push_back(predicate);
  }
  return predicates;
}

// Kernel threads of pools are named after their numbers, which differ.
std::optional<std::string> lasting_name(const std::string& comm) {
  if (comm.starts_with("kworker/")) return std::nullopt;
  return unless_empty(comm);
}

// The innermost functions, behind those through which all go to sleep.
std::vector<std::string> place_of(const analyzer::Backtrace& trace) {
  std::vector<std::string> functions;
  for (const analyzer::BacktraceFrame& frame : trace.frames) {
    const bool sleeps = functions.empty() && analyzer::is_sleep_function(frame.at.function);
    if (sleeps || frame.at.function.empty()) continue;
    if (!frame.reliable || functions.size() == kMaxFrames) break;
    functions.push_back(plain_function(frame.at.function));
  }
  return functions;
}

scenario::TaskPredicate task_of(const analyzer::WaitFacts& wait) {
  scenario::TaskPredicate task;
  task.comm = lasting_name(wait.comm);
  task.backtrace = place_of(wait.backtrace);
  if (!wait.lock) return task;
  task.lock = wait.lock->kind;
  task.owner = lasting_name(wait.lock->owner_comm);
  return task;
}

// Of a guest that goes on no more, by the judgement: what its CPUs and who waits stand in.
void add_hang(const Findings& findings, Expectation& expectation) {
  const auto found = [&](std::string_view kind) {
    return std::ranges::find(findings.findings, kind, &analyzer::Finding::kind) !=
           findings.findings.end();
  };
  const bool waits = found("deadlock") || found("task-blocked");
  if (!waits && !found("cpu-stuck")) return;
  expectation.hang.emplace();  // of which kind no core tells
  for (const analyzer::CpuFacts& cpu : findings.cpus) {
    if (!cpu.idle) expectation.cpus.push_back({.backtrace = place_of(cpu.backtrace)});
  }
  std::erase_if(expectation.cpus, [](const auto& each) { return each.backtrace.empty(); });
  for (const analyzer::WaitFacts& wait : findings.waits) {
    if (expectation.tasks.size() == kMaxTasks) break;
    auto task = task_of(wait);
    if (task.comm || !task.backtrace.empty()) expectation.tasks.push_back(std::move(task));
  }
}

}  // namespace

Expectation signature_of(const Findings& findings) {
  Expectation expectation;
  if (const auto report = oops::cause(findings.reports)) expectation.report = report_of(*report);
  expectation.corruptions = corruptions_of(findings);
  expectation.object = object_of(findings);
  // The same bug may strike on several ways through the kernel: only where memory shows nothing
  // does the way tell.
  const bool memory_tells = expectation.object || !expectation.corruptions.empty();
  if (expectation.report && !memory_tells) expectation.backtrace = backtrace_of(findings);
  expectation.percpu = context_of(findings);
  add_hang(findings, expectation);
  if (expectation.hang) expectation.backtrace.clear();  // of a CPU that happened to be the first
  return expectation;
}

}  // namespace rig::verdict
