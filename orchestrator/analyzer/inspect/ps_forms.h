// SPDX-License-Identifier: Apache-2.0
// The forms of `ps`, each of which ends with a newline. A task that runs is marked with >, a kernel
// thread stands in brackets.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/guest_facts.h"

namespace rig::analyzer {

// The usual columns. `memory`: bytes that the guest has, 0 when it is not known.
std::string ps_table(const std::vector<TaskFacts>& tasks, std::uint64_t memory);

// From the first ancestor down to the task, one step further in on each line. `all`: to look
// parents up in; a circle of parents ends the chain.
std::string ps_parents(const TaskFacts& task, const std::vector<TaskFacts>& all);

// What passed since each task got its CPU, latest first, by the clock of the one of `all` that got
// one last.
std::string ps_last_run(std::vector<TaskFacts> tasks, const std::vector<TaskFacts>& all);

// When each task began, and what it used.
std::string ps_times(const std::vector<TaskFacts>& tasks, const std::optional<double>& uptime);

}  // namespace rig::analyzer
