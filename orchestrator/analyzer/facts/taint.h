// SPDX-License-Identifier: Apache-2.0
// Taint flags by letter and meaning: Documentation/admin-guide/tainted-kernels.rst, kernel/panic.c.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/guest_facts.h"

namespace rig::analyzer {

// The flags of `tainted_mask`, by bit. A bit without a name gets '?' and its number.
std::vector<TaintFlag> taint_flags(std::uint64_t mask);

// The same from the letters of a report: "G        W  OE". Others are left out.
std::vector<TaintFlag> taint_flags(std::string_view letters);

// The letters alone, as module lists have them: "OE".
std::string taint_letters(std::uint64_t mask);

}  // namespace rig::analyzer
