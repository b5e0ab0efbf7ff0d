// SPDX-License-Identifier: Apache-2.0
// The CPU that a core is about.
#pragma once

#include "analyzer/findings.h"
#include "oops/reporting_functions.h"

namespace rig::analyzer {

// What a CPU that stands at the beginning of a reporting function (`stop_at`) is about to report;
// null: it stands elsewhere.
const oops::ReportingFunction* report_begun(const CpuFacts& cpu);

// The CPU that panicked, or else the first that is about to report; null: there is neither.
const CpuFacts* reporting_cpu(const Findings& findings);

}  // namespace rig::analyzer
