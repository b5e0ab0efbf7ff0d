// SPDX-License-Identifier: Apache-2.0
// The fault in JSON, the same in findings and in `inspect CORE fault`.
#pragma once

#include <boost/json.hpp>

#include "analyzer/fault_facts.h"

namespace rig::analyzer {

boost::json::object fault_json(const FaultFacts& facts);

}  // namespace rig::analyzer
