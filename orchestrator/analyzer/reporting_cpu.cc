// SPDX-License-Identifier: Apache-2.0
#include "analyzer/reporting_cpu.h"

#include <algorithm>

namespace rig::analyzer {

const oops::ReportingFunction* report_begun(const CpuFacts& cpu) {
  if (!cpu.at || cpu.at->offset != 0) return nullptr;
  return oops::find_reporting_function(cpu.at->function);
}

const CpuFacts* reporting_cpu(const Findings& findings) {
  auto found = std::ranges::find_if(findings.cpus, &CpuFacts::panicking);
  if (found == findings.cpus.end()) {
    found = std::ranges::find_if(findings.cpus,
                                 [](const CpuFacts& cpu) { return report_begun(cpu) != nullptr; });
  }
  return found != findings.cpus.end() ? &*found : nullptr;
}

}  // namespace rig::analyzer
