// SPDX-License-Identifier: Apache-2.0
// The loaded modules as /proc/modules has them.
#pragma once

#include <vector>

#include "analyzer/guest_facts.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

// Latest first, as the kernel lists them. Empty when the list cannot be found. What is broken goes
// into `problems`.
std::vector<ModuleFacts> module_facts(const Kernel& kernel, std::vector<std::string>& problems);

}  // namespace rig::analyzer
