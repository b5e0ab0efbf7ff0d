// SPDX-License-Identifier: Apache-2.0
// The fault in one or two sentences.
#pragma once

#include <optional>
#include <string>

#include "analyzer/code/type_flow.h"
#include "analyzer/fault_facts.h"

namespace rig::analyzer {

// `place`: the source's, by its type.
std::string verdict_of(const FaultFacts& facts, const std::optional<TypedPlace>& place,
                       const Kernel& kernel);

}  // namespace rig::analyzer
