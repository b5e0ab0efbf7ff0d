// SPDX-License-Identifier: Apache-2.0
// Whether a machine can be had as it is asked for: from this QEMU, on this host. Before any attempt
// is made, so that what cannot work costs nothing.
#pragma once

#include "vm/qemu/accelerator.h"
#include "vm/qemu/capabilities.h"
#include "vm/vm.h"

namespace rig::vm::qemu {

// By name: the CPU's model and flags, the machine's options and number of CPUs, the devices and
// their properties. Blame::kInput with the nearest valid name and the QEMU that was asked.
Status check_names(const VmConfig& config, std::string_view accelerator, CapabilitySource& source);

// What the host's memory and swap allow.
struct HostMemory {
  std::uint64_t total = 0;      // with swap; 0: not known
  std::uint64_t available = 0;  // now
  bool overcommits = false;     // vm.overcommit_memory=1: any size can be had
};
HostMemory host_memory();
// An error, or a warning, or nothing.
Result<std::optional<std::string>> check_memory(std::uint64_t bytes, const HostMemory& host);

// All of it, and a start of that very machine without letting it run: values, buses and images are
// seen by QEMU alone. Returns what is worth a note.
Result<std::vector<std::string>> check_machine(const VmConfig& config);

}  // namespace rig::vm::qemu
