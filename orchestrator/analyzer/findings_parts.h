// SPDX-License-Identifier: Apache-2.0
// The parts of findings as text, by the file that writes them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "analyzer/findings.h"

namespace rig::analyzer {

// findings_lines.cc: lines of at most 100 columns. The guest chooses comm names and log text:
// nothing of it may steer the terminal.

// `text` after a prefix, broken at spaces; further lines begin below the text.
void put(std::string& out, std::string_view before, std::string_view text);
void put_labelled(std::string& out, std::string_view label, std::string_view text);
std::string with_commas(std::uint64_t value);
std::string who(const std::string& comm, const std::optional<std::uint64_t>& pid);

// findings_trace.cc: the call trace of the crash, from the stacks; from the log without them.
void put_trace(std::string& out, const Findings& findings);
// Of a guest that has not crashed: nobody knows which CPU to look at.
void put_cpu_traces(std::string& out, const std::vector<CpuFacts>& cpus);
void put_waits(std::string& out, const std::vector<WaitFacts>& waits);
void put_cpus(std::string& out, const std::vector<CpuFacts>& cpus);

// findings_objects.cc: the slab objects that registers lead to are shown; of those that only the
// stack leads to, the ones that hold the address in question. JSON has all of them.
void put_objects(std::string& out, const Findings& findings);

}  // namespace rig::analyzer
