// SPDX-License-Identifier: Apache-2.0
// Provenance in JSON, the same in findings and in answers.
#pragma once

#include <boost/json.hpp>

#include "analyzer/heap_facts.h"

namespace rig::analyzer {

boost::json::object provenance_json(const ProvenanceFacts& facts);

}  // namespace rig::analyzer
