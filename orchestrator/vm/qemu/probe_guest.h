// SPDX-License-Identifier: Apache-2.0
// The smallest guest that proves an accelerator: it is its own firmware, goes the way of a kernel's
// first instructions (protected mode, paging, 64-bit mode, an exception and its return, CPUID),
// then makes QEMU exit with a code that nothing else gives. 50 ms under TCG.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/arch.h"

namespace rig::vm::qemu {

struct ProbeGuest {
  std::string firmware;              // for -bios
  std::vector<std::string> devices;  // arguments that give it its exit port
  int exit_code = 0;                 // of QEMU, when every step worked
};

std::optional<ProbeGuest> probe_guest(Arch arch);

}  // namespace rig::vm::qemu
