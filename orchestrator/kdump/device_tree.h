// SPDX-License-Identifier: Apache-2.0
// Changes what a flattened device tree says to the kernel that gets it.
// Format: Devicetree Specification v0.4, chapter 5.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace rig::kdump {

struct TreeProperty {
  std::string name;
  std::string value;  // as it is in the tree
};

// The value of a property that is a list of 64-bit numbers.
std::string tree_numbers(std::initializer_list<std::uint64_t> numbers);

// The tree with these properties of /chosen, in place of those of the same names. What is no tree,
// or has no /chosen, is an error.
Result<std::string> with_chosen(ByteView tree, std::span<const TreeProperty> properties);

}  // namespace rig::kdump
