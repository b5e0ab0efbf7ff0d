// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/command_line.h"

#include "base/process.h"
#include "guest/protocol.h"

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

void add_machine(Arguments& args, const Machine& machine, const VmConfig& config,
                 std::string_view accelerator) {
  args.add("-name", "guest=crashrig,debug-threads=on");
  args.add("-nodefaults");
  args.add("-no-user-config");
  args.add("-display", "none");
  args.add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
  args.add("-machine", std::string(machine.type));
  args.add("-accel", std::string(accelerator));
  args.add("-cpu", std::string(accelerator == "kvm" ? machine.cpu_kvm : machine.cpu_tcg));
  args.add("-smp", fmt::format("{}", config.cpus));
  args.add("-m", fmt::format("{}M", config.memory_bytes >> 20));
  args.add("-kernel", config.kernel.string());
  if (!config.initramfs.empty()) args.add("-initrd", config.initramfs.string());
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
}

// Whatever ends the guest leaves its memory in place and becomes an event: a panic with or without
// pvpanic (a reset is turned into a shutdown, which pauses), a power-off, a watchdog that fires.
void add_crash_devices(Arguments& args, const Machine& machine) {
  args.add("-action", "panic=pause,shutdown=pause,reboot=shutdown,watchdog=pause");
  if (!machine.panic_device.empty()) args.add("-device", std::string(machine.panic_device));
  args.add("-device", std::string(machine.watchdog_device));
  args.add("-device", "vmcoreinfo");
}

void add_disks(Arguments& args, const Wiring& wiring) {
  for (std::size_t i = 0; i < wiring.disks.size(); ++i) {
    args.add("-drive",
             fmt::format("if=none,id=disk{},format=raw,cache=unsafe,discard=unmap,file={}", i,
                         escape(wiring.disks[i])));
    args.add("-device", fmt::format("virtio-blk-pci,drive=disk{},serial=disk{}", i, i));
  }
}

}  // namespace

std::vector<std::string> command_line(const Machine& machine, const VmConfig& config,
                                      std::string_view accelerator, const Wiring& wiring) {
  Arguments args;
  add_machine(args, machine, config, accelerator);
  add_wires(args, wiring);
  add_crash_devices(args, machine);
  add_disks(args, wiring);
  if (wiring.paused) args.add("-S");
  return std::move(args).take();
}

std::string command_line_by_hand(const Machine& machine, const VmConfig& config,
                                 std::string_view accelerator) {
  Wiring wiring{.monitor = "socket,id=monitor,path=qmp.sock,server=on,wait=off",
                .console = "stdio,id=console,signal=on",
                .agent = "socket,id=agent,path=agent.sock,server=on,wait=off",
                .disks = {},
                .paused = false};
  std::string line;
  for (std::size_t i = 0; i < config.disk_bytes.size(); ++i) {
    wiring.disks.push_back(fmt::format("disk{}.img", i));
    line += fmt::format("truncate -s {} {} && ", config.disk_bytes[i], wiring.disks.back());
  }
  const Command command{.program = std::string(machine.binary),
                        .args = command_line(machine, config, accelerator, wiring),
                        .directory = {},
                        .environment = {}};
  return line + command.to_shell();
}

}  // namespace rig::vm::qemu
