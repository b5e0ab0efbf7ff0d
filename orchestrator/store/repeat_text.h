// SPDX-License-Identifier: Apache-2.0
// How to repeat one attempt by hand.
#pragma once

#include <string>

#include "scenario/plan.h"
#include "store/record.h"

namespace rig::store {

// "debian-6.1@6.1.0-56": the kernel (a name, or a path) pinned to the build that ran.
std::string pinned_kernel(const std::string& kernel, const std::string& release);

// Text for people: the rig's own command, the machine's command line, module, load, versions.
// `scenario_copy` is the scenario file as it was read, seen from the attempt's folder; may be
// empty.
std::string repeat_text(const scenario::Cell& cell, const CellRecord& record, unsigned number,
                        const Attempt& attempt, const std::string& scenario_copy);

}  // namespace rig::store
