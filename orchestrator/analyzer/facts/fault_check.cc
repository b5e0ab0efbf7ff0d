// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/fault_check.h"

namespace rig::analyzer {
namespace {

using Kind = Operation::Kind;

constexpr unsigned kMaxBack = 16;

// The one branch by which control comes to `index`, over what lies straight before it.
std::optional<Edge> branch_to(const Function& function, std::uint32_t index) {
  for (unsigned i = 0; i < kMaxBack; ++i) {
    const auto edges = function.edges_to(index);
    if (edges.size() != 1) return std::nullopt;
    if (function[edges[0].from].kind == Kind::kBranch) return edges[0];
    if (function[edges[0].from].kind == Kind::kCall) return std::nullopt;
    index = edges[0].from;
  }
  return std::nullopt;
}

// Does the register still hold what it held at `index`, of a straight way to the trap?
bool is_unchanged_since(Activation& here, std::uint32_t index, Register reg) {
  if (!here.known().has(reg)) return false;
  const Reaching since = here.reaching(here.index(), here.known(), Location::of(reg));
  if (!since.complete) return false;
  for (const Definition& each : since.all) {
    if (each.at != Definition::kEntry && each.at > index) return false;
  }
  return true;
}

// What set the flags that the branch looked at: straight before it.
std::optional<std::uint32_t> comparison_of(const Function& function, std::uint32_t branch) {
  constexpr unsigned kMaxBetween = 4;
  std::uint32_t index = branch;
  for (unsigned i = 0; i < kMaxBetween; ++i) {
    const auto edges = function.edges_to(index);
    if (edges.size() != 1 || edges[0].taken) return std::nullopt;
    index = edges[0].from;
    if (function[index].sets_flags) return index;
    if (function[index].kind == Kind::kCall) return std::nullopt;
  }
  return std::nullopt;
}

// "cmpl $7, 0x40(%rdi), where memory holds 0x5": as far as the registers are still what they were.
std::string comparison_words(Activation& here, FaultTrace& trace, std::uint32_t comparison) {
  const Operation& each = here.function()[comparison];
  std::string text = trace.instruction(each.at, each.size);
  const Register compared = each.kind == Kind::kSum ? each.memory.base : each.from;
  if (!each.accesses && compared != kNoRegister && is_unchanged_since(here, comparison, compared)) {
    text += fmt::format(", where {} was {:#x}", here.machine().set.name(compared),
                        *here.known().get(compared));
  }
  if (!each.accesses) return text;
  for (const Register reg : {each.memory.base, each.memory.index}) {
    if (reg == kNoRegister) continue;
    if (!is_unchanged_since(here, comparison, reg)) return text;
  }
  const auto at = here.address(here.index(), here.known(), each.memory);
  const auto value =
      at ? load_number(here.machine().kernel.memory(), *at, each.bytes) : std::nullopt;
  if (value) text += fmt::format(", where {} holds {:#x}", *at, *value);
  return text;
}

}  // namespace

void explain_check(Activation& here, FaultTrace& trace, FaultFacts& facts) {
  facts.verdict = fmt::format(
      "{} stopped by its own check: {} is what BUG() and WARN() become, no "
      "address was bad",
      here.function().name(), facts.instruction);
  const Function& function = here.function();
  const auto edge = branch_to(function, here.index());
  if (!edge) return;
  const Operation& branch = function[edge->from];
  const InstructionSet& set = here.machine().set;
  FaultStep step;
  step.at = trace.location(branch.at);
  step.instruction = trace.instruction(branch.at, branch.size);
  std::string how = edge->taken ? "was taken" : "was not taken";
  if (branch.test && branch.test->reg != kNoRegister) {
    step.reg = set.name(branch.test->reg);
    const bool unchanged = is_unchanged_since(here, edge->from, branch.test->reg);
    if (unchanged) {
      step.value = here.known().get(branch.test->reg);
      step.confirmed = true;
      how += fmt::format(": {} was {:#x}", step.reg, *step.value);
    }
  }
  const bool flags = !branch.test || branch.test->reg == kNoRegister || !step.confirmed;
  if (const auto comparison = flags ? comparison_of(function, edge->from) : std::nullopt) {
    how += fmt::format(", decided by {}", comparison_words(here, trace, *comparison));
  }
  step.words = "the branch that leads here " + how;
  facts.verdict += fmt::format("; the branch at {} {}", to_string(step.at), how);
  facts.steps.push_back(std::move(step));
}

}  // namespace rig::analyzer
