// SPDX-License-Identifier: Apache-2.0
// The `expect:` part of a scenario: what a detector's crash must look like.
#pragma once

#include <map>
#include <span>
#include <string>

#include "scenario/scenario.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

// What read_expectation() holds the names against.
struct ExpectationNames {
  std::span<const std::string> report_kinds;           // empty: any
  std::span<const std::string> kernels;                // that there are descriptions of; empty: any
  std::span<const std::string> corruption_kinds = {};  // empty: any
};

// A signature, and those that count instead of it on some kernel or architecture.
struct ReadExpectation {
  Expectation expect;
  std::map<std::string, Expectation> on;
};

// One entry of `expect:`, or a variant's own. `whose` is how messages call its owner:
// "detector 'slub'". "survive" instead of a signature is taken where `may_survive`.
ReadExpectation read_expectation(const Node& node, const ExpectationNames& names,
                                 const std::string& whose, Problems& problems,
                                 bool may_survive = false);

}  // namespace rig::scenario
