// SPDX-License-Identifier: Apache-2.0
#include "analyzer/judgement/rules.h"

namespace rig::analyzer {
namespace {

constexpr Rule kRules[] = {
    {"heap", "which slab objects, freelists and debug bytes cannot be as they are?", look_at_heap},
    {"checkers", "what did KASAN, KFENCE, SLUB or list debugging report, and about what?",
     look_at_checkers},
    {"refused-free", "did the allocator refuse a free?", look_at_refused_free},
    {"fault", "which value could the kernel not use, and whose memory did it come from?",
     look_at_fault},
    {"context", "did the CPU run this where it must not: in an NMI, an interrupt, without stack?",
     look_at_context},
    {"hang", "which CPU or task does not go on, and who has the lock that it waits for?",
     look_at_hang},
    {"report", "what else did the kernel say?", look_at_report},
    {"memory", "was there memory left?", look_at_memory},
};

}  // namespace

std::span<const Rule> all_rules() {
  return kRules;
}

}  // namespace rig::analyzer
