// SPDX-License-Identifier: Apache-2.0
// What a libvirt host has for one kind of guest, as virConnectGetDomainCapabilities() tells it:
// https://libvirt.org/formatdomaincaps.html. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/arch.h"
#include "base/error.h"

namespace rig::vm::libvirt {

struct HostCapabilities {
  std::string emulator;   // path on the host: "/usr/bin/qemu-system-x86_64"
  std::string machine;    // what an alias stands for: "pc-q35-7.2"
  unsigned max_cpus = 0;  // 0: not told
  bool vmcoreinfo = false;
  std::vector<std::string> cpu_models;    // that a guest can have under this accelerator
  std::vector<std::string> gic_versions;  // arm64
  std::vector<std::string> disk_buses;
  std::vector<std::string> channel_types;
};

// libvirt's name of it: "aarch64".
std::string_view libvirt_arch(Arch arch);

Result<HostCapabilities> parse_domain_capabilities(std::string_view xml);

}  // namespace rig::vm::libvirt
