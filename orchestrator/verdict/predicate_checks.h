// SPDX-License-Identifier: Apache-2.0
// The predicates of a signature over what the analyzer found, each with what there was instead.
// `findings` may be null: the core was not analyzed, and nothing holds.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analyzer/findings.h"
#include "scenario/predicates.h"
#include "verdict/verdict.h"

namespace rig::verdict {

Check check_corruption(const scenario::CorruptionPredicate& predicate,
                       const analyzer::Findings* findings);
// All functions in this order on the stack of the CPU that panicked; guessed frames do not count.
Check check_backtrace(std::span<const std::string> functions, const analyzer::Findings* findings);
Check check_percpu(const scenario::PerCpuPredicate& predicate, const analyzer::Findings* findings);
Check check_memory(const scenario::MemoryPredicate& predicate, const analyzer::Findings* findings);

// Are all functions on that stack, in this order? Guessed frames do not count. The first that is
// not; nothing when they are.
std::optional<std::string> missing_function(std::span<const std::string> functions,
                                            const analyzer::Backtrace& trace);
// "f < g < h", innermost first, without what was guessed.
std::string trace_words(const analyzer::Backtrace& trace);

// "lc_complete.isra.0" -> "lc_complete": what the compiler made of a function is no other function.
std::string plain_function(std::string_view name);

}  // namespace rig::verdict
