// SPDX-License-Identifier: Apache-2.0
// A number that every CPU keeps for itself, by name: what signatures ask a core for.
#pragma once

#include <string_view>

#include "analyzer/facts/session.h"

namespace rig::analyzer {

// `name` is one of
//   VARIABLE[.MEMBER...]           a static per-CPU variable of the kernel or of a module
//   POINTER->TYPE[.MEMBER...]      a variable that holds what alloc_percpu() gave for that type
// An integer, pointer or bit field of up to 8 bytes; sign-extended where its type has a sign.
// Without values `problem` says why.
PerCpuFacts percpu_values(Session& session, std::string_view name);

}  // namespace rig::analyzer
