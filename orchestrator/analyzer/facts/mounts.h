// SPDX-License-Identifier: Apache-2.0
// The mounts of a namespace, as /proc/mounts lists them: fs/proc_namespace.c.
#pragma once

#include <vector>

#include "analyzer/facts/paths.h"
#include "analyzer/guest_facts.h"

namespace rig::analyzer {

// Of the namespace that `task` lives in. What is broken goes into `problems`.
std::vector<MountFacts> mount_facts(const PathReader& paths, VirtAddr task,
                                    std::vector<std::string>& problems);

// "rw,nosuid,relatime": what the flags of a superblock and of a mount say.
std::string mount_options(std::uint64_t superblock_flags, std::uint64_t mount_flags);

}  // namespace rig::analyzer
