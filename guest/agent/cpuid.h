// SPDX-License-Identifier: Apache-2.0
//
// What the CPU says of itself, before the kernel has hidden any of it.
#pragma once

#include "guest/protocol.h"

namespace rig::guest {

// Writes kCpuidPath. Nothing on architectures without such an instruction.
Done write_cpuid();

}  // namespace rig::guest
