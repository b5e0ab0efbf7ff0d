// SPDX-License-Identifier: Apache-2.0
// The predicates over what the analyzer found: corruption, backtrace, percpu, memory.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "scenario/predicates.h"
#include "scenario/schema_reader.h"

namespace rig::scenario {

// A single word: names of functions and caches as the kernel prints them.
std::optional<std::string> read_word(const Node& node, std::string_view what, Problems& problems);
// The same, without an offset.
std::optional<std::string> read_function(const Node& node, std::string_view what,
                                         Problems& problems);
std::optional<bool> read_yes_no(const Node& node, std::string_view what, Problems& problems);

// One map, or a list of maps. `kinds`: analyzer::corruption_kinds(); empty: any.
std::vector<CorruptionPredicate> read_corruptions(const Node& node,
                                                  std::span<const std::string> kinds,
                                                  Problems& problems);
std::vector<std::string> read_backtrace(const Node& node, Problems& problems);
std::vector<PerCpuPredicate> read_percpu(const Node& node, Problems& problems);
HangPredicate read_hang(const Node& node, Problems& problems);
During read_during(const Node& node, Problems& problems);
// One map, or a list of maps.
std::vector<CpuPredicate> read_cpus(const Node& node, Problems& problems);
std::vector<TaskPredicate> read_tasks(const Node& node, Problems& problems);
std::vector<MemoryPredicate> read_memory(const Node& node, Problems& problems);

}  // namespace rig::scenario
