// SPDX-License-Identifier: Apache-2.0
// Which machine a libvirt host gives a guest, before there is one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vm/libvirt/caller.h"
#include "vm/libvirt/host.h"
#include "vm/qemu/accelerator.h"
#include "vm/qemu/machine.h"

namespace rig::vm::libvirt {

struct MachineChoice {
  const qemu::Machine* machine;
  qemu::Accelerator accelerator;
  HostCapabilities host;
};

// Connects, and asks. KVM of this host is proven as for our own QEMU; of another one it cannot be
// from here, and is taken only where it is asked for.
Result<MachineChoice> choose_machine(const std::shared_ptr<Host>& host, const VmConfig& config,
                                     Caller& caller, Deadline deadline);

}  // namespace rig::vm::libvirt
