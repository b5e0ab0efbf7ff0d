// SPDX-License-Identifier: Apache-2.0
#include "scenario/signature_reader.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "scenario/cache_name.h"
#include "scenario/predicate_reader.h"
#include "scenario/section_reader.h"
#include "scenario/units.h"

namespace rig::scenario {

namespace {

ReportPredicate read_report(const Node& node, std::span<const std::string> kinds,
                            Problems& problems) {
  static const std::array<std::string, 3> kAccesses = {"read", "write", "execute"};
  ReportPredicate report;
  SectionReader<format::kReport> map(node, "the report", problems);
  if (const Node* kind = map.find("kind")) {
    report.kind = kinds.empty() ? read_name(*kind, "'kind'", problems)
                                : read_choice(*kind, "report kind", kinds, problems);
  }
  if (const Node* address = map.find("address")) {
    report.address = read_number(*address, "'address'", problems);
  }
  if (const Node* function = map.find("function")) {
    report.function = read_function(*function, "'function'", problems);
  }
  if (const Node* access = map.find("access")) {
    report.access = read_choice(*access, "access", kAccesses, problems);
  }
  if (const Node* cache = map.find("cache")) report.cache = read_word(*cache, "'cache'", problems);
  map.finish();
  if (node.kind != Node::Kind::kScalar && node.entries.empty()) {
    problems.add(node.mark, "an empty report would accept any crash: give at least its 'kind'");
  }
  return report;
}

// The numbers of an object predicate must fit each other and the cache's objects.
void check_object(const ObjectPredicate& object, Mark mark, Problems& problems) {
  if (object.size < 8 && (object.holds >> (8 * object.size)) != 0) {
    problems.add(mark, fmt::format("'holds' {:#x} does not fit in 'size' {} (bytes)", object.holds,
                                   object.size));
  }
  const auto limit = object.cache ? kmalloc_object_size(*object.cache) : std::nullopt;
  constexpr std::uint64_t kLargestObject = 4u << 20;
  const std::uint64_t end = limit.value_or(kLargestObject);
  if (object.offset <= end && object.size <= end - object.offset) return;
  problems.add(mark, fmt::format("{} bytes at offset {:#x} lie beyond an object of {} ({} bytes)",
                                 object.size, object.offset,
                                 object.cache ? *object.cache : "any cache", end));
}

ObjectPredicate read_object(const Node& node, Problems& problems) {
  ObjectPredicate object;
  SectionReader<format::kObject> map(node, "the object", problems);
  bool whole = true;
  const auto number = [&](const Node* value, std::string_view what, auto& target) {
    if (value == nullptr) return;
    const auto read = read_number(*value, what, problems);
    whole = whole && read.has_value();
    if (read) target = static_cast<std::decay_t<decltype(target)>>(*read);
  };
  const Node* holds = map.require("holds");
  number(holds, "'holds'", object.holds);
  if (const Node* size = map.find("size")) {
    std::uint64_t bytes = 8;
    number(size, "'size'", bytes);
    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) {
      problems.add(size->mark, fmt::format("'size' must be 1, 2, 4 or 8 (bytes), found {}", bytes));
      whole = false;
    } else {
      object.size = static_cast<unsigned>(bytes);
    }
  }
  number(map.find("offset"), "'offset'", object.offset);
  if (const Node* cache = map.find("cache")) object.cache = read_word(*cache, "'cache'", problems);
  if (const Node* each = map.find("allocated")) {
    object.allocated = read_yes_no(*each, "'allocated'", problems);
  }
  if (const Node* was = map.find("was")) object.was = read_word(*was, "'was'", problems);
  map.finish();
  if (holds != nullptr && whole) check_object(object, holds->mark, problems);
  return object;
}

// A hang in the boot is one of the boot, and the other way round.
void check_hang(Expectation& expectation, const Node* hang, Problems& problems) {
  if (!expectation.hang || !expectation.hang->kind) return;
  if (*expectation.hang->kind == HangKind::kBoot) {
    expectation.during = During::kBoot;
  } else if (expectation.during == During::kBoot) {
    problems.add(hang->mark, "a hang 'during: boot' is of the kind 'boot'");
  }
}

template <const format::Section& kSection>
void read_predicates(SectionReader<kSection>& map, const ExpectationNames& names,
                     Expectation& expectation, Problems& problems) {
  if (const Node* report = map.find("report")) {
    expectation.report = read_report(*report, names.report_kinds, problems);
  }
  if (const Node* object = map.find("object")) expectation.object = read_object(*object, problems);
  if (const Node* corruption = map.find("corruption")) {
    expectation.corruptions = read_corruptions(*corruption, names.corruption_kinds, problems);
  }
  if (const Node* trace = map.find("backtrace")) {
    expectation.backtrace = read_backtrace(*trace, problems);
  }
  if (const Node* percpu = map.find("percpu")) expectation.percpu = read_percpu(*percpu, problems);
  if (const Node* memory = map.find("memory")) expectation.memory = read_memory(*memory, problems);
  if (const Node* hang = map.find("hang")) expectation.hang = read_hang(*hang, problems);
  if (const Node* during = map.find("during")) {
    expectation.during = read_during(*during, problems);
  }
  if (const Node* cpu = map.find("cpu")) expectation.cpus = read_cpus(*cpu, problems);
  if (const Node* task = map.find("task")) expectation.tasks = read_tasks(*task, problems);
  check_hang(expectation, map.find("hang"), problems);
}

constexpr std::string_view kGive =
    "give a 'report', an 'object', a 'corruption', a 'backtrace', "
    "'percpu', 'memory', a 'hang', a 'cpu' or a 'task'";

// "survive" instead of a map of predicates: nothing is to happen.
Expectation read_survive(const Node& node, Problems& problems) {
  static const std::array<std::string, 1> kExpect = {"survive"};
  Expectation expectation;
  expectation.survive = read_choice(node, "expectation", kExpect, problems).has_value();
  return expectation;
}

// What is expected on one kernel or architecture instead.
Expectation read_special(const Field& entry, const ExpectationNames& names,
                         const std::string& whose, Problems& problems) {
  SectionReader<format::kExpectationOn> map(
      entry.value, fmt::format("the expectation of {} on {}", whose, entry.key), problems);
  Expectation expectation;
  read_predicates(map, names, expectation, problems);
  map.finish();
  if (entry.value.kind != Node::Kind::kScalar && entry.value.entries.empty()) {
    problems.add(entry.mark, fmt::format("nothing is expected on {}: {}", shown(entry.key), kGive));
  }
  return expectation;
}

// `on:`, kernel or architecture -> what is expected there instead.
std::map<std::string, Expectation> read_expect_on(const Node& node, const ExpectationNames& names,
                                                  const std::string& whose, bool may_survive,
                                                  Problems& problems) {
  std::map<std::string, Expectation> on;
  std::vector<std::string> valid(names.kernels.begin(), names.kernels.end());
  for (const Arch arch : {Arch::kX86_64, Arch::kArm64}) valid.emplace_back(to_string(arch));
  for (const Field& entry : read_named(node, "'on'", problems)) {
    if (!names.kernels.empty() && std::find(valid.begin(), valid.end(), entry.key) == valid.end()) {
      problems.add(entry.mark, fmt::format("unknown kernel or arch {} in 'on'{}", shown(entry.key),
                                           suggest(entry.key, valid)));
    }
    on.emplace(entry.key, may_survive && entry.value.kind == Node::Kind::kScalar
                              ? read_survive(entry.value, problems)
                              : read_special(entry, names, whose, problems));
  }
  return on;
}

}  // namespace

ReadExpectation read_expectation(const Node& node, const ExpectationNames& names,
                                 const std::string& whose, Problems& problems, bool may_survive) {
  ReadExpectation read;
  if (may_survive && node.kind == Node::Kind::kScalar) {
    read.expect = read_survive(node, problems);
    return read;
  }
  SectionReader<format::kExpectation> map(node, fmt::format("the expectation of {}", whose),
                                          problems);
  read_predicates(map, names, read.expect, problems);
  if (const Node* on = map.find("on")) {
    read.on = read_expect_on(*on, names, whose, may_survive, problems);
  }
  map.finish();
  const bool says_nothing =
      std::all_of(node.entries.begin(), node.entries.end(),
                  [](const Field& each) { return each.key == "on" || each.key == "during"; });
  if (node.kind != Node::Kind::kScalar && says_nothing) {
    problems.add(node.mark, fmt::format("{} expects nothing: {}", whose, kGive));
  }
  return read;
}

}  // namespace rig::scenario
