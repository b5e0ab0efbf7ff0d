// SPDX-License-Identifier: Apache-2.0
// The heap in JSON, the same in findings and in the answers of `slab` and `audit`.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "analyzer/findings_pointer.h"
#include "analyzer/heap_facts.h"
#include "base/bytes.h"

namespace rig::analyzer {

// An object that a pointer leads to; null: none.
boost::json::value slab_object_json(const std::optional<SlabObject>& object);
boost::json::value track_json(const std::optional<ObjectTrack>& track);
boost::json::object slab_cache_json(const SlabCacheFacts& facts);
boost::json::object corruption_json(const SlabCorruption& facts);
boost::json::object slab_json(const SlabFacts& facts);

}  // namespace rig::analyzer
