// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/command_line.h"

#include <utility>

#include "base/process.h"
#include "guest/protocol.h"
#include "vm/qemu/disk_file.h"

namespace rig::vm::qemu {
namespace {

// In QEMU's key=value lists a comma ends a value unless it is doubled.
std::string escape(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    escaped += c;
    if (c == ',') escaped += c;
  }
  return escaped;
}

class Arguments {
 public:
  void add(std::string option) { list_.push_back(std::move(option)); }
  void add(std::string option, std::string value) {
    list_.push_back(std::move(option));
    list_.push_back(std::move(value));
  }
  std::vector<std::string> take() && { return std::move(list_); }

 private:
  std::vector<std::string> list_;
};

// A controller that the disks of a bus share, and what a disk of it is. The controller's own id
// names its bus.
struct BusDevices {
  scenario::DiskBus bus;
  std::string_view controller;
  std::string_view disk;
};
constexpr BusDevices kBusDevices[] = {
    {scenario::DiskBus::kVirtio, "", "virtio-blk-pci"},
    {scenario::DiskBus::kNvme, "", "nvme"},
    {scenario::DiskBus::kMegasas, "megasas-gen2,id=megasas", "scsi-hd,bus=megasas.0"},
    {scenario::DiskBus::kScsi, "virtio-scsi-pci,id=scsi", "scsi-hd,bus=scsi.0"},
};

void add_machine(Arguments& args, const Machine& machine, const VmConfig& config,
                 std::string_view accelerator, const Wiring& wiring) {
  args.add("-name", "guest=crashrig,debug-threads=on");
  args.add("-nodefaults");
  args.add("-no-user-config");
  args.add("-display", "none");
  args.add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
  args.add("-machine", machine_option(machine, config.hardware));
  args.add("-accel", std::string(accelerator));
  args.add("-cpu", cpu_option(machine, config.hardware, accelerator));
  args.add("-smp", fmt::format("{}", config.cpus));
  args.add("-m", fmt::format("{}M", config.memory_bytes >> 20));
  if (wiring.kernel.empty()) return;
  args.add("-kernel", wiring.kernel);
  if (!wiring.initramfs.empty()) args.add("-initrd", wiring.initramfs);
  args.add("-append", config.cmdline);
}

void add_wires(Arguments& args, const Wiring& wiring) {
  args.add("-chardev", wiring.monitor);
  args.add("-mon", "chardev=monitor,mode=control");
  args.add("-chardev", wiring.console);
  args.add("-serial", "chardev:console");
  args.add("-chardev", wiring.agent);
  args.add("-device", "virtio-serial-pci");
  args.add("-device", fmt::format("virtserialport,chardev=agent,name={}", guest::kPortName));
  if (wiring.debugger.empty()) return;
  args.add("-chardev", wiring.debugger);
  args.add("-gdb", "chardev:debugger");
}

// Whatever ends the guest leaves its memory in place and becomes an event: a panic with or without
// pvpanic (a reset is turned into a shutdown, which pauses), a power-off, a watchdog that fires.
void add_crash_devices(Arguments& args, const Machine& machine) {
  args.add("-action", "panic=pause,shutdown=pause,reboot=shutdown,watchdog=pause");
  if (!machine.panic_device.empty()) args.add("-device", std::string(machine.panic_device));
  args.add("-device", std::string(machine.watchdog_device));
  args.add("-device", "vmcoreinfo");
}

// What is written to an image goes to a copy of QEMU's that has no name (snapshot=on): the image
// itself is opened to read only.
std::string drive_option(const scenario::Disk& disk, std::size_t index, const std::string& file) {
  const bool empty = disk.image.empty();
  return fmt::format("if=none,id=disk{},format={},cache=unsafe,discard=unmap,{}file={}", index,
                     empty ? "raw" : disk.format, empty ? "" : "snapshot=on,", escape(file));
}

void add_disks(Arguments& args, const VmConfig& config, const std::vector<std::string>& files) {
  for (const BusDevices& devices : kBusDevices) {
    bool controlled = devices.controller.empty();
    for (std::size_t i = 0; i < config.disks.size(); ++i) {
      if (config.disks[i].bus != devices.bus || files[i].empty()) continue;
      if (!std::exchange(controlled, true)) args.add("-device", std::string(devices.controller));
      args.add("-drive", drive_option(config.disks[i], i, files[i]));
      args.add("-device", fmt::format("{},drive=disk{},serial=disk{}", devices.disk, i, i));
    }
  }
}

// No option ROM: nothing boots from the network.
void add_network(Arguments& args, const VmConfig& config) {
  if (config.network == scenario::Network::kNone) return;
  args.add("-netdev", "user,id=net0,restrict=on");
  args.add("-device", "virtio-net-pci,netdev=net0,romfile=");
}

}  // namespace

std::string cpu_option(const Machine& machine, const scenario::Hardware& hardware,
                       std::string_view accelerator) {
  if (!hardware.cpu.empty()) return hardware.cpu;
  return std::string(accelerator == "kvm" ? machine.cpu_kvm : machine.cpu_tcg);
}

std::string machine_option(const Machine& machine, const scenario::Hardware& hardware) {
  std::string option(machine.type);
  for (const auto& [key, value] : hardware.machine) {
    option += fmt::format(",{}={}", key, escape(value));
  }
  return option;
}

std::vector<std::string> command_line(const Machine& machine, const VmConfig& config,
                                      std::string_view accelerator, const Wiring& wiring) {
  Arguments args;
  add_machine(args, machine, config, accelerator, wiring);
  // The scenario's own come first: an IOMMU must be there before what it translates for.
  for (const std::string& device : config.hardware.devices) args.add("-device", device);
  add_wires(args, wiring);
  add_crash_devices(args, machine);
  add_disks(args, config, wiring.disks);
  add_network(args, config);
  if (wiring.paused) args.add("-S");
  return std::move(args).take();
}

std::vector<std::string> device_arguments(const Machine& machine, const VmConfig& config,
                                          const std::vector<std::string>& disks) {
  Arguments args;
  for (const std::string& device : config.hardware.devices) args.add("-device", device);
  if (!machine.panic_device.empty()) args.add("-device", std::string(machine.panic_device));
  add_disks(args, config, disks);
  add_network(args, config);
  return std::move(args).take();
}

std::string command_line_by_hand(const Machine& machine, const VmConfig& config,
                                 std::string_view accelerator) {
  Wiring wiring{.kernel = config.kernel.string(),
                .initramfs = config.initramfs.string(),
                .monitor = "socket,id=monitor,path=qmp.sock,server=on,wait=off",
                .console = "stdio,id=console,signal=on",
                .agent = "socket,id=agent,path=agent.sock,server=on,wait=off",
                .disks = {},
                .paused = false};
  if (config.breakpoints) {  // gdb: "target remote debugger.sock"
    wiring.debugger = "socket,id=debugger,path=debugger.sock,server=on,wait=off";
  }
  std::string line;
  for (const scenario::Disk& disk : config.disks) {
    if (!disk.image.empty()) {
      wiring.disks.push_back(disk.image.string());
      continue;
    }
    wiring.disks.push_back(fmt::format("disk{}.img", wiring.disks.size()));
    line += create_disk_by_hand(disk, wiring.disks.back());
  }
  const Command command{.program = std::string(machine.binary),
                        .args = command_line(machine, config, accelerator, wiring),
                        .directory = {},
                        .environment = {}};
  return line + command.to_shell();
}

}  // namespace rig::vm::qemu
