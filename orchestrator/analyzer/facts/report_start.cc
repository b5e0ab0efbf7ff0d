// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/report_start.h"

#include "oops/reporting_functions.h"

namespace rig::analyzer {

bool begins_report(const Kernel& kernel, VirtAddr pc) {
  const auto at = kernel.code(pc);
  return at && at->offset == 0 && oops::find_reporting_function(at->function) != nullptr;
}

}  // namespace rig::analyzer
