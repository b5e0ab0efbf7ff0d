// SPDX-License-Identifier: Apache-2.0
// A value of the guest taken apart by its type: what `struct` and `percpu` print.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/inspect/object_bytes.h"
#include "analyzer/symbols/btf.h"

namespace rig::analyzer {

struct ValueNode {
  enum class Shape { kScalar, kStruct, kArray };

  std::string name;          // empty: anonymous, or an element of an array
  std::string type;          // "struct list_head *"
  std::uint64_t offset = 0;  // bytes from the outermost object
  std::uint64_t size = 0;
  unsigned bit_offset = 0, bit_size = 0;  // of a bit field
  Shape shape = Shape::kScalar;
  std::string text;                     // of a scalar: "-5", "true", "\"swapper/0\"", "<page …>"
  std::optional<std::uint64_t> number;  // of a scalar that has one
  std::string note;                     // "(empty)", "<init_task>", "[kmalloc-1k]"
  std::uint64_t repeats = 1;            // so many equal elements stand here
  std::vector<ValueNode> parts;
};

struct ValueStyle {
  bool hex = false;
  // What a pointer points to, in brackets of either kind; may be empty.
  std::function<std::string(VirtAddr)> pointee;
};

// `type` at `offset` of `object`. Bounded: what is too much is cut and says "...".
ValueNode decode_value(const Btf& types, std::uint32_t type, const VirtMemory& memory,
                       const ObjectBytes& object, std::uint64_t offset, const ValueStyle& style);
// The same for a bit field.
ValueNode decode_bit_field(const Btf& types, std::uint32_t type, const VirtMemory& memory,
                           const ObjectBytes& object, const Member& field, const ValueStyle& style);

}  // namespace rig::analyzer
