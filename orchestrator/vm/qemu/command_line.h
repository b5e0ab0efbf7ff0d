// SPDX-License-Identifier: Apache-2.0
// What QEMU is started with. Pure: the same machine can be wired to our descriptors or to files and
// sockets that a person can use.
#pragma once

#include <string>
#include <vector>

#include "vm/qemu/machine.h"
#include "vm/vm.h"

namespace rig::vm::qemu {

// Where the ends of the guest's wires are on the host: -chardev backends, and files under the names
// that QEMU opens.
struct Wiring {
  std::string kernel;  // empty: a trial, see hardware_check.h
  std::string initramfs = {};
  std::string monitor;  // "socket,fd=5"
  std::string console;
  std::string agent;
  std::string debugger = {};       // of VmConfig::breakpoints
  std::vector<std::string> disks;  // one per VmConfig::disks: its file
  bool paused = true;              // wait for the monitor's "cont"
};

// The values of -cpu and -machine.
std::string cpu_option(const Machine& machine, const scenario::Hardware& hardware,
                       std::string_view accelerator);
std::string machine_option(const Machine& machine, const scenario::Hardware& hardware);

// The arguments, without the program.
std::vector<std::string> command_line(const Machine& machine, const VmConfig& config,
                                      std::string_view accelerator, const Wiring& wiring);

// The devices that another maker of command lines cannot express as we do: the scenario's own, its
// disks, its network, pvpanic. A disk whose file is empty is somebody else's.
std::vector<std::string> device_arguments(const Machine& machine, const VmConfig& config,
                                          const std::vector<std::string>& disks);

// One line for a shell: the same machine with its console on the terminal, its monitor, agent and
// debugger on sockets in the current folder, and fresh disks there.
std::string command_line_by_hand(const Machine& machine, const VmConfig& config,
                                 std::string_view accelerator);

}  // namespace rig::vm::qemu
