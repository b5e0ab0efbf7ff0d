// SPDX-License-Identifier: Apache-2.0
// The guest as a whole: which kernel, how long it ran, how it ended.
#pragma once

#include "analyzer/facts/session.h"
#include "analyzer/guest_facts.h"

namespace rig::analyzer {

// What this core can tell; what it cannot is absent or among the problems. An error only as
// session.kernel().
Result<SystemFacts> system_facts(Session& session);

// Bytes that the kernel manages: MemTotal.
std::optional<std::uint64_t> managed_memory(Session& session);

// "Fatal exception in interrupt": what panic() printed, nothing without such a line in the log.
std::optional<std::string> panic_message(std::string_view log);

}  // namespace rig::analyzer
