// SPDX-License-Identifier: Apache-2.0
// The smallest guest that proves an accelerator: it is its own firmware, goes the way of a kernel's
// first instructions (paging, an exception and its return, what the hypervisor emulates), then
// makes QEMU exit as it would not otherwise. 50 ms under TCG.
#pragma once

#include <string>
#include <vector>

#include "base/arch.h"

namespace rig::vm::qemu {

struct ProbeGuest {
  std::string firmware;              // for -bios
  std::vector<std::string> devices;  // arguments that give it its exit port
  int exit_code = 0;                 // of QEMU, when every step worked
};

ProbeGuest probe_guest(Arch arch);

}  // namespace rig::vm::qemu
