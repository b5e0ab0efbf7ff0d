// SPDX-License-Identifier: Apache-2.0
// What is wrong with the guest, from the facts alone: each rule of a table may find something, and
// what it finds is ranked, causes before what follows from them. Pure: no core is needed.
#pragma once

#include <string>
#include <vector>

#include "analyzer/findings.h"

namespace rig::analyzer {

struct Judgement {
  std::vector<Finding> findings;  // cause before consequence, the surer first
  std::string explanation;        // one paragraph in plain words
};

Judgement judge(const Findings& facts);

}  // namespace rig::analyzer
