// SPDX-License-Identifier: Apache-2.0
#include "scenario/predicates.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "scenario/units.h"

namespace rig::scenario {
namespace {

struct Sign {
  std::string_view text;
  Bound::Op op;
};

// Longer signs first: "<=" begins with "<".
constexpr Sign kSigns[] = {
    {"<=", Bound::Op::kAtMost}, {">=", Bound::Op::kAtLeast}, {"!=", Bound::Op::kNotEqual},
    {"==", Bound::Op::kEqual},  {"<", Bound::Op::kLess},     {">", Bound::Op::kGreater},
    {"=", Bound::Op::kEqual},
};

constexpr std::array<std::string_view, 5> kContextCounts = {"preempt_count", "nmi", "hardirq",
                                                            "softirq", "preempt"};
constexpr std::uint64_t kWholePercent = 100;

bool compare(Bound::Op op, auto found, auto wanted) {
  switch (op) {
    case Bound::Op::kEqual:
      return found == wanted;
    case Bound::Op::kNotEqual:
      return found != wanted;
    case Bound::Op::kLess:
      return found < wanted;
    case Bound::Op::kAtMost:
      return found <= wanted;
    case Bound::Op::kGreater:
      return found > wanted;
    case Bound::Op::kAtLeast:
      return found >= wanted;
  }
  return false;
}

}  // namespace

bool Bound::holds(std::uint64_t found, std::uint64_t whole) const {
  if (!percent) {
    // Differences may be negative: both sides are compared as the numbers that they were made from.
    const bool is_signed = static_cast<std::int64_t>(found) < 0 && op != Op::kEqual;
    return is_signed
               ? compare(op, static_cast<std::int64_t>(found), static_cast<std::int64_t>(value))
               : compare(op, found, value);
  }
  // Memory of up to 2^57 bytes times 100 does not overflow.
  return compare(op, found * kWholePercent, whole * value);
}

std::string Bound::text() const {
  const auto sign = std::find_if(std::begin(kSigns), std::end(kSigns),
                                 [this](const Sign& each) { return each.op == op; });
  const std::string number = percent         ? fmt::format("{}%", value)
                             : value < 0x100 ? fmt::format("{}", value)
                                             : fmt::format("{:#x}", value);
  return op == Op::kEqual ? number : fmt::format("{} {}", sign->text, number);
}

std::optional<Bound> parse_bound(std::string_view text, bool bytes) {
  Bound bound;
  std::string rest(trim(text));
  for (const Sign& sign : kSigns) {
    if (!rest.starts_with(sign.text)) continue;
    bound.op = sign.op;
    rest = std::string(trim(std::string_view(rest).substr(sign.text.size())));
    break;
  }
  if (rest.ends_with('%')) {
    rest.pop_back();
    bound.percent = true;
  }
  auto value = parse_u64(rest);
  if (!value && bytes && !bound.percent) value = parse_bytes(rest);
  if (!value || (bound.percent && *value > kWholePercent)) return std::nullopt;
  bound.value = *value;
  return bound;
}

bool is_context_count(std::string_view name) {
  return std::find(kContextCounts.begin(), kContextCounts.end(), name) != kContextCounts.end();
}

std::vector<std::string> asked_variables(const Expectation& expectation) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (!is_context_count(name) && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  };
  for (const PerCpuPredicate& each : expectation.percpu) {
    add(each.variable);
    if (each.minus) add(*each.minus);
  }
  return names;
}

}  // namespace rig::scenario
