// SPDX-License-Identifier: Apache-2.0
//
// The capture kernel of kdump: how it is loaded, and how an agent knows that it runs in one.
#pragma once

#include "guest/protocol.h"

namespace rig::guest {

Done load_crash_kernel(const LoadCrashKernel& request);
Done load_crash_segments(const LoadCrashSegments& request);

// The kernel that runs was booted by one that crashed.
bool in_capture_kernel();

}  // namespace rig::guest
