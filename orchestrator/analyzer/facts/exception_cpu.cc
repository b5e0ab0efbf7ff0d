// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/exception_cpu.h"

#include <algorithm>

namespace rig::analyzer {

const CpuSnapshot* cpu_inside(const FoundException& exception, std::span<const CpuSnapshot> cpus) {
  const auto found = std::ranges::find_if(cpus, [&](const CpuSnapshot& cpu) {
    return cpu.number == exception.facts.cpu && exception.stack.contains(cpu.state.sp);
  });
  return found != cpus.end() ? &*found : nullptr;
}

}  // namespace rig::analyzer
