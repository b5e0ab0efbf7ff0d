// SPDX-License-Identifier: Apache-2.0
// What is left of a stack when another compiler or another kernel has had its way with it.
#pragma once

#include <string>

#include "oops/report.h"

namespace rig::oops {

// Up to four functions of the report's own code, innermost first, "f<g<h": without helpers,
// offsets, compilers' suffixes and system calls' prefixes. Empty where there is no stack.
std::string fingerprint(const Report& report);

// Could the stacks be of one bug? An inlined function is missing in one of them, so one must be
// the other with functions left out, and both must agree on most.
bool stacks_agree(const std::string& one, const std::string& other);

}  // namespace rig::oops
