// SPDX-License-Identifier: Apache-2.0
// From a scenario's guest to the machine that a backend is asked for.
#pragma once

#include "scenario/plan.h"
#include "vm/vm.h"

namespace rig {

// All but what it boots (kernel, initramfs, cmdline) and where its files go.
vm::VmConfig machine_config(const scenario::Cell& cell, std::string_view accelerator,
                            std::stop_token stop);

}  // namespace rig
