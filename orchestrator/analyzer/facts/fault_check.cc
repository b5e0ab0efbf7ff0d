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
  step.words = fmt::format("the check failed at this branch, which was {}",
                           edge->taken ? "taken" : "not taken");
  if (branch.test && branch.test->reg != kNoRegister) {
    step.reg = set.name(branch.test->reg);
    // Only what cannot have changed since.
    const Reaching since =
        here.reaching(here.index(), here.known(), Location::of(branch.test->reg));
    const bool unchanged = since.complete && here.known().has(branch.test->reg) && [&] {
      for (const Definition& each : since.all) {
        if (each.at != Definition::kEntry && each.at > edge->from && each.at < here.index()) {
          return false;
        }
      }
      return true;
    }();
    if (unchanged) {
      step.value = here.known().get(branch.test->reg);
      step.confirmed = true;
      step.words += fmt::format(": {} was {:#x}", step.reg, *step.value);
    }
  }
  facts.steps.push_back(std::move(step));
}

}  // namespace rig::analyzer
