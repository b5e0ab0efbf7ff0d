// SPDX-License-Identifier: Apache-2.0
#include "machine_config.h"

namespace rig {

vm::VmConfig machine_config(const scenario::Cell& cell, std::string_view accelerator,
                            std::stop_token stop) {
  const scenario::Guest& guest = cell.scenario->guest;
  vm::VmConfig config;
  config.arch = cell.arch;
  config.memory_bytes = guest.memory_bytes;
  config.cpus = guest.cpus;
  config.disks = guest.disks;
  config.network = guest.network;
  config.hardware = guest.hardware_on(cell.arch);
  config.accelerator = accelerator;
  config.stop = std::move(stop);
  return config;
}

}  // namespace rig
