// SPDX-License-Identifier: Apache-2.0
// The machines QEMU gives our guests, one per architecture. To add one: fill a row of kMachines in
// machine.cc (the comments say what each field must do), give it a probe guest in probe_guest.cc,
// and add its golden text to tests/data/vm.
#pragma once

#include <string_view>

#include "base/arch.h"
#include "base/error.h"

namespace rig::vm::qemu {

struct Machine {
  Arch arch;
  std::string_view binary;          // of QEMU, looked up in $PATH
  std::string_view debian_package;  // that has it
  std::string_view type;            // -machine: PCIe, whole dumps (microvm's are incomplete)
  std::string_view cpu_tcg;
  std::string_view cpu_kvm;
  std::string_view console;          // what a kernel calls the first serial port: console=...
  std::string_view panic_device;     // -device; empty where kernels have no driver for one: a
                                     // panic is then seen as a reset (VmConfig's panic=-1)
  std::string_view watchdog_device;  // -device
};

// The row of `arch`. The error names the architectures there are.
Result<const Machine*> machine_for(Arch arch);

Result<std::string_view> console_device(Arch arch);

}  // namespace rig::vm::qemu
