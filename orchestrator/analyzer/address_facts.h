// SPDX-License-Identifier: Apache-2.0
// What one address is, as fully as the core tells. Plain data, as findings.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/findings_pointer.h"
#include "analyzer/heap_facts.h"

namespace rig::analyzer {

struct AddressDetail {
  std::string name;   // "state", "caller", "range"
  std::string words;  // "free, order 3"
};

struct AddressFacts {
  VirtAddr address{};
  std::string kind;                    // "slab-object", "stack", "user" ...
  std::string words;                   // one sentence
  bool known = false;                  // false: nothing but the area that it lies in
  std::vector<AddressDetail> details;  // in the order in which they are worth reading
  std::optional<SlabObject> object;    // of kind "slab-object"
  std::int64_t offset = 0;             // of the address in it
};

}  // namespace rig::analyzer
