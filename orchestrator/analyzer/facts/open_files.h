// SPDX-License-Identifier: Apache-2.0
// What a task has open: its descriptors, root, working directory and program.
#pragma once

#include "analyzer/facts/paths.h"
#include "analyzer/guest_facts.h"

namespace rig::analyzer {

// `task`: of a task_struct. The table of descriptors is read as far as it reaches, with a bound.
TaskFilesFacts task_files(const PathReader& paths, VirtAddr task);

}  // namespace rig::analyzer
