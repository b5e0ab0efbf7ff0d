// SPDX-License-Identifier: Apache-2.0
#include "scenario/predicate_reader.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "scenario/section_reader.h"
#include "scenario/units.h"

namespace rig::scenario {
namespace {

constexpr std::size_t kMaxBytes = 64;  // of a corruption that is spelled out
constexpr std::uint64_t kMaxCpu = 8191;
constexpr std::uint64_t kLastByte = 7;  // of a pointer

// "-0x10", "712": within an object, or in the red zone before it.
std::optional<std::int64_t> read_offset(const Node& node, Problems& problems) {
  const auto text = read_text(node, "'offset'", problems);
  if (!text) return std::nullopt;
  const bool negative = text->starts_with('-');
  const auto number = parse_u64(std::string_view(*text).substr(negative ? 1 : 0));
  constexpr std::uint64_t kFarthest = 4u << 20;  // the largest object
  if (!number || *number > kFarthest) {
    problems.add(node.mark,
                 fmt::format("'offset' must be a number of bytes, found {}", shown(*text)));
    return std::nullopt;
  }
  const auto offset = static_cast<std::int64_t>(*number);
  return negative ? -offset : offset;
}

// "06 01 00 00", "06010000".
std::optional<std::vector<std::byte>> read_hex_bytes(const Node& node, Problems& problems) {
  const auto text = read_text(node, "'bytes'", problems);
  if (!text) return std::nullopt;
  std::string digits = *text;
  std::erase(digits, ' ');
  const bool hexadecimal = digits.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (digits.empty() || digits.size() % 2 != 0 || digits.size() > 2 * kMaxBytes || !hexadecimal) {
    problems.add(node.mark,
                 fmt::format("'bytes' must be up to {} bytes like \"06 01 00 00\", found {}",
                             kMaxBytes, shown(*text)));
    return std::nullopt;
  }
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const auto value = parse_u64("0x" + digits.substr(i, 2));
    bytes.push_back(static_cast<std::byte>(value.value_or(0)));
  }
  return bytes;
}

std::optional<Bound> read_bound(const Node& node, std::string_view what, bool bytes,
                                Problems& problems) {
  const auto text = read_text(node, what, problems);
  if (!text) return std::nullopt;
  const auto bound = parse_bound(*text, bytes);
  if (!bound) {
    problems.add(node.mark,
                 fmt::format("{} must be like {}, found {}", what,
                             bytes ? "'< 5%' or '<= 16M'" : "0x106 or '> 0'", shown(*text)));
  } else if (bound->percent && !bytes) {
    problems.add(node.mark,
                 fmt::format("{} is no part of anything: a percentage means nothing", what));
    return std::nullopt;
  }
  return bound;
}

CorruptionPredicate read_corruption(const Node& node, std::span<const std::string> kinds,
                                    Problems& problems) {
  CorruptionPredicate corruption;
  SectionReader<format::kCorruption> map(node, "the corruption", problems);
  if (const Node* kind = map.find("kind")) {
    corruption.kind = kinds.empty() ? read_name(*kind, "'kind'", problems)
                                    : read_choice(*kind, "corruption kind", kinds, problems);
  }
  if (const Node* each = map.find("cache"))
    corruption.cache = read_word(*each, "'cache'", problems);
  if (const Node* each = map.find("offset")) corruption.offset = read_offset(*each, problems);
  if (const Node* each = map.find("bytes")) corruption.bytes = read_hex_bytes(*each, problems);
  if (const Node* each = map.find("pointer")) {
    corruption.pointer = read_number(*each, "'pointer'", problems);
  }
  if (const Node* each = map.find("wrong_byte")) {
    const auto byte = read_number(*each, "'wrong_byte'", problems, 0, kLastByte);
    if (byte) corruption.wrong_byte = static_cast<unsigned>(*byte);
  }
  if (const Node* each = map.find("allocated")) {
    corruption.allocated = read_yes_no(*each, "'allocated'", problems);
  }
  if (const Node* each = map.find("allocated_by")) {
    corruption.allocated_by = read_function(*each, "'allocated_by'", problems);
  }
  if (const Node* each = map.find("freed_by")) {
    corruption.freed_by = read_function(*each, "'freed_by'", problems);
  }
  map.finish();
  if (node.kind == Node::Kind::kMap && node.entries.empty()) {
    problems.add(node.mark, "an empty corruption would accept any: give at least its 'kind'");
  }
  return corruption;
}

// "any", "all", "panicked", "sum", or a CPU's number.
void read_where(const Node& node, PerCpuPredicate& predicate, Problems& problems) {
  using Where = PerCpuPredicate::Where;
  static const std::array<std::pair<std::string_view, Where>, 4> kWhere = {
      {{"any", Where::kAny},
       {"all", Where::kAll},
       {"panicked", Where::kPanicked},
       {"sum", Where::kSum}}};
  const auto text = read_text(node, "'cpu'", problems);
  if (!text) return;
  for (const auto& [name, where] : kWhere) {
    if (*text != name) continue;
    predicate.where = where;
    return;
  }
  const auto number = parse_u64(*text);
  if (!number || *number > kMaxCpu) {
    problems.add(node.mark,
                 fmt::format("'cpu' must be any, all, panicked, sum or a CPU's number, found {}",
                             shown(*text)));
    return;
  }
  predicate.where = Where::kOne;
  predicate.cpu = static_cast<unsigned>(*number);
}

PerCpuPredicate read_variable(const Field& entry, Problems& problems) {
  PerCpuPredicate predicate;
  predicate.variable = entry.key;
  if (entry.value.kind != Node::Kind::kMap) {
    if (const auto bound = read_bound(entry.value, shown(entry.key), false, problems)) {
      predicate.is = *bound;
    }
    return predicate;
  }
  SectionReader<format::kPerCpu> map(entry.value, fmt::format("per-CPU {}", shown(entry.key)),
                                     problems);
  if (const Node* cpu = map.find("cpu")) read_where(*cpu, predicate, problems);
  if (const Node* minus = map.find("minus")) {
    predicate.minus = read_word(*minus, "'minus'", problems);
  }
  if (const Node* is = map.require("is")) {
    if (const auto bound = read_bound(*is, "'is'", false, problems)) predicate.is = *bound;
  }
  map.finish();
  if (is_context_count(predicate.variable) && predicate.minus) {
    problems.add(entry.mark, fmt::format("{} is counted in each CPU's context: nothing can be "
                                         "subtracted from it",
                                         shown(entry.key)));
  }
  return predicate;
}

CpuPredicate read_cpu(const Node& node, Problems& problems) {
  CpuPredicate cpu;
  SectionReader<format::kCpu> map(node, "the CPU", problems);
  if (const Node* each = map.find("backtrace")) cpu.backtrace = read_backtrace(*each, problems);
  if (const Node* each = map.find("irqs_off")) {
    cpu.irqs_off = read_yes_no(*each, "'irqs_off'", problems);
  }
  map.finish();
  if (node.kind == Node::Kind::kMap && node.entries.empty()) {
    problems.add(node.mark, "an empty CPU would accept any: give its 'backtrace'");
  }
  return cpu;
}

TaskPredicate read_task(const Node& node, Problems& problems) {
  TaskPredicate task;
  SectionReader<format::kTask> map(node, "the task", problems);
  // A task's name may have blanks.
  if (const Node* each = map.find("comm")) task.comm = read_text(*each, "'comm'", problems);
  if (const Node* each = map.find("backtrace")) task.backtrace = read_backtrace(*each, problems);
  if (const Node* each = map.find("lock")) task.lock = read_word(*each, "'lock'", problems);
  if (const Node* each = map.find("owner")) task.owner = read_text(*each, "'owner'", problems);
  map.finish();
  if (node.kind == Node::Kind::kMap && node.entries.empty()) {
    problems.add(node.mark, "an empty task would accept any: give its 'comm' or 'backtrace'");
  }
  return task;
}

// One map, or a list of maps, each read by `read_one`.
template <typename T>
std::vector<T> one_or_more(const Node& node, std::string_view what, Problems& problems,
                           T (*read_one)(const Node&, Problems&)) {
  if (node.kind != Node::Kind::kList) return {read_one(node, problems)};
  std::vector<T> all;
  for (const Node& item : node.items) all.push_back(read_one(item, problems));
  if (all.empty()) problems.add(node.mark, fmt::format("{} is an empty list", what));
  return all;
}

}  // namespace

std::optional<std::string> read_word(const Node& node, std::string_view what, Problems& problems) {
  auto text = read_text(node, what, problems);
  if (!text || text->find_first_of(" \t\n") == std::string::npos) return text;
  problems.add(node.mark, fmt::format("{} must be one word, found {}", what, shown(*text)));
  return std::nullopt;
}

std::optional<std::string> read_function(const Node& node, std::string_view what,
                                         Problems& problems) {
  auto function = read_word(node, what, problems);
  if (!function || function->find('+') == std::string::npos) return function;
  problems.add(node.mark, fmt::format("{} is compared without offset: write '{}'", what,
                                      function->substr(0, function->find('+'))));
  return std::nullopt;
}

std::optional<bool> read_yes_no(const Node& node, std::string_view what, Problems& problems) {
  const auto text = read_text(node, what, problems);
  if (!text) return std::nullopt;
  if (*text == "true" || *text == "yes") return true;
  if (*text == "false" || *text == "no") return false;
  problems.add(node.mark, fmt::format("{} must be true or false, found {}", what, shown(*text)));
  return std::nullopt;
}

std::vector<CorruptionPredicate> read_corruptions(const Node& node,
                                                  std::span<const std::string> kinds,
                                                  Problems& problems) {
  if (node.kind != Node::Kind::kList) return {read_corruption(node, kinds, problems)};
  std::vector<CorruptionPredicate> corruptions;
  for (const Node& item : node.items) corruptions.push_back(read_corruption(item, kinds, problems));
  if (corruptions.empty()) problems.add(node.mark, "'corruption' is an empty list");
  return corruptions;
}

std::vector<std::string> read_backtrace(const Node& node, Problems& problems) {
  std::vector<std::string> functions;
  for (const Node& item : read_list(node, "'backtrace'", "[kfree, my_release]", problems)) {
    if (auto name = read_function(item, "a function of 'backtrace'", problems)) {
      functions.push_back(*std::move(name));
    }
  }
  if (node.kind == Node::Kind::kList && node.items.empty()) {
    problems.add(node.mark, "'backtrace' is an empty list");
  }
  return functions;
}

std::vector<PerCpuPredicate> read_percpu(const Node& node, Problems& problems) {
  std::vector<PerCpuPredicate> predicates;
  for (const Field& entry : read_named(node, "'percpu'", problems)) {
    predicates.push_back(read_variable(entry, problems));
  }
  return predicates;
}

HangPredicate read_hang(const Node& node, Problems& problems) {
  HangPredicate hang;
  SectionReader<format::kHang> map(node, "the hang", problems);
  if (const Node* kind = map.find("kind")) {
    std::vector<std::string> names;
    for (const NamedHangKind& each : kHangKinds) names.emplace_back(each.name);
    const auto name = read_choice(*kind, "kind of hang", names, problems);
    if (name) hang.kind = parse_hang_kind(*name);
  }
  map.finish();
  return hang;
}

During read_during(const Node& node, Problems& problems) {
  static const std::array<std::string, 2> kWhen = {"boot", "load"};
  const auto when = read_choice(node, "'during'", kWhen, problems);
  return when == "boot" ? During::kBoot : During::kLoad;
}

std::vector<CpuPredicate> read_cpus(const Node& node, Problems& problems) {
  return one_or_more(node, "'cpu'", problems, read_cpu);
}

std::vector<TaskPredicate> read_tasks(const Node& node, Problems& problems) {
  return one_or_more(node, "'task'", problems, read_task);
}

std::vector<MemoryPredicate> read_memory(const Node& node, Problems& problems) {
  std::vector<MemoryPredicate> predicates;
  for (const Field& entry : read_named(node, "'memory'", problems)) {
    const auto bound = read_bound(entry.value, shown(entry.key), true, problems);
    if (bound) predicates.push_back({entry.key, *bound});
  }
  return predicates;
}

}  // namespace rig::scenario
