// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/counters.h"

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {}  // namespace

std::vector<std::uint64_t> per_cpu_bases(const Kernel& kernel) {
  // Without nr_cpu_ids the table's unused rest cannot be told from CPUs.
  if (!kernel.symbol("nr_cpu_ids")) return {};
  auto bases = kernel.per_cpu_offsets(kMaxCpus);
  std::erase(bases, 0u);
  return bases;
}

std::optional<std::int64_t> per_cpu_sum(const FieldReader& fields, VirtAddr counter) {
  auto sum = fields.number(counter, "percpu_counter.count");
  if (!sum) return std::nullopt;
  const auto parts = fields.pointer(counter, "percpu_counter.counters");
  if (!parts) return sum;
  for (const std::uint64_t base : per_cpu_bases(fields.kernel())) {
    const auto part = fields.kernel().memory().load<std::int32_t>(*parts + base);
    if (part) *sum += *part;
  }
  return sum;
}

}  // namespace rig::analyzer
