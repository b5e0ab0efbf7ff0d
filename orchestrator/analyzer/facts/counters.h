// SPDX-License-Identifier: Apache-2.0
// The kernel's split counters: a common part and each CPU's own, which is added now and then.
#pragma once

#include <optional>

#include "analyzer/facts/field_reader.h"

namespace rig::analyzer {

// The __per_cpu_offset of each CPU that there can be.
std::vector<std::uint64_t> per_cpu_bases(const Kernel& kernel);

// struct percpu_counter (include/linux/percpu_counter.h), as percpu_counter_sum() has it. A CPU's
// part that cannot be read counts as 0.
std::optional<std::int64_t> per_cpu_sum(const FieldReader& fields, VirtAddr counter);

}  // namespace rig::analyzer
