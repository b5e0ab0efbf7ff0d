// SPDX-License-Identifier: Apache-2.0
// The domain of a guest: https://libvirt.org/formatdomain.html. Pure.
//
// The same machine as our own QEMU's, so that a finding does not depend on who runs the guest. What
// a domain cannot say (a scenario's own devices, images opened to read only, buses that libvirt
// does not know) is QEMU's own options, <qemu:commandline>.
#pragma once

#include <string>
#include <vector>

#include "vm/libvirt/host_capabilities.h"
#include "vm/qemu/machine.h"
#include "vm/vm.h"

namespace rig::vm::libvirt {

inline constexpr std::string_view kDomainPrefix = "crashrig-";

// Where the guest's files are on the host that runs it.
struct DomainFiles {
  std::string kernel;
  std::string initramfs;           // empty: none
  std::vector<std::string> disks;  // one per VmConfig::disks
  std::string debugger = {};       // a socket to be made there, of VmConfig::breakpoints
};

// `accelerator`: "kvm" or "tcg". Blame::kInput: the host does not have such a machine.
Result<std::string> domain_xml(const std::string& name, const qemu::Machine& machine,
                               const VmConfig& config, std::string_view accelerator,
                               const HostCapabilities& host, const DomainFiles& files);

}  // namespace rig::vm::libvirt
