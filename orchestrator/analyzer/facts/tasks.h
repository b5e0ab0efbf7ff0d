// SPDX-License-Identifier: Apache-2.0
// Tasks, and which of them each CPU was running.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/arch/architecture.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

struct Task {
  VirtAddr at{};  // of its task_struct
  std::string comm;
  std::optional<std::uint64_t> pid;
  StackRange stack;  // size 0 when it has none any more
};

// Nothing when what is at `at` does not look like a task.
std::optional<Task> read_task(const Kernel& kernel, const Architecture& arch, VirtAddr at);

// Every task that there is a way to, once: each CPU's idle task, which is on no list; all thread
// groups' leaders and their threads, from init_task on; then those that only the table of PIDs or a
// CPU knows. What is known to one of these and not to another is a remark: the kernel never leaves
// a living task like that. Bounded.
std::vector<Task> all_tasks(const Kernel& kernel, const Architecture& arch,
                            std::vector<std::string>& remarks);

}  // namespace rig::analyzer
