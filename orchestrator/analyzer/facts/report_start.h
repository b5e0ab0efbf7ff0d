// SPDX-License-Identifier: Apache-2.0
// Guests that a debugger stopped where a report begins.
#pragma once

#include "analyzer/symbols/kernel.h"
#include "base/address.h"

namespace rig::analyzer {

// Whether `pc` is the first instruction of a function that begins a report
// (oops/reporting_functions.h): by chance no CPU is found there.
bool begins_report(const Kernel& kernel, VirtAddr pc);

}  // namespace rig::analyzer
