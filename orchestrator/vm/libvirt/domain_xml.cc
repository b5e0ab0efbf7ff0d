// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/domain_xml.h"

#include <algorithm>
#include <pugixml.hpp>
#include <sstream>
#include <utility>

#include "base/text.h"
#include "guest/protocol.h"
#include "vm/qemu/command_line.h"

namespace rig::vm::libvirt {
namespace {

constexpr const char* kQemuNamespace = "http://libvirt.org/schemas/domain/qemu/1.0";

// On the root bus: bridges cost boot time. From here up, since QEMU itself gives its own options'
// devices the lowest that are free.
constexpr unsigned kFirstSlot = 0x10;

bool has(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// Can libvirt describe this disk? An image is opened to read only (snapshot=on), which it cannot.
bool in_domain(const scenario::Disk& disk, const HostCapabilities& host) {
  if (!disk.image.empty()) return false;
  const bool virtio = disk.bus == scenario::DiskBus::kVirtio;
  const bool scsi = disk.bus == scenario::DiskBus::kScsi;
  return (virtio && has(host.disk_buses, "virtio")) || (scsi && has(host.disk_buses, "scsi"));
}

// "a" to "z", "ba", ...: the names of disks only have to differ.
std::string letters(std::size_t index) {
  std::string text;
  do {
    text.insert(text.begin(), static_cast<char>('a' + index % 26));
    index /= 26;
  } while (index != 0);
  return text;
}

class DomainWriter {
 public:
  DomainWriter(const qemu::Machine& machine, const VmConfig& config, std::string_view accelerator,
               const HostCapabilities& host, const DomainFiles& files)
      : machine_(machine),
        config_(config),
        kvm_(accelerator == "kvm"),
        host_(host),
        files_(files) {}

  std::string write(const std::string& name) {
    domain_.append_attribute("type") = kvm_ ? "kvm" : "qemu";
    domain_.append_attribute("xmlns:qemu") = kQemuNamespace;
    add_text(domain_, "name", name);
    add_text(domain_, "memory", fmt::format("{}", config_.memory_bytes >> 10))
        .append_attribute("unit") = "KiB";
    add_text(domain_, "vcpu", fmt::format("{}", config_.cpus));
    write_boot();
    write_features();
    write_cpu();
    write_endings();
    write_devices();
    write_qemu_options();
    std::ostringstream text;
    document_.save(text, "  ", pugi::format_default | pugi::format_no_declaration);
    return text.str();
  }

 private:
  static pugi::xml_node add_text(pugi::xml_node parent, const char* name, const std::string& text) {
    pugi::xml_node node = parent.append_child(name);
    node.text().set(text.c_str());
    return node;
  }

  void write_boot() {
    pugi::xml_node os = domain_.append_child("os");
    pugi::xml_node type = add_text(os, "type", "hvm");
    type.append_attribute("arch") = std::string(libvirt_arch(config_.arch)).c_str();
    type.append_attribute("machine") = host_.machine.c_str();
    add_text(os, "kernel", files_.kernel);
    if (!files_.initramfs.empty()) add_text(os, "initrd", files_.initramfs);
    add_text(os, "cmdline", config_.cmdline);
  }

  void write_features() {
    pugi::xml_node features = domain_.append_child("features");
    if (config_.arch == Arch::kX86_64) {
      features.append_child("acpi");
      features.append_child("apic");
    } else if (!host_.gic_versions.empty()) {
      const auto newest = std::max_element(host_.gic_versions.begin(), host_.gic_versions.end());
      features.append_child("gic").append_attribute("version") = newest->c_str();
    }
    features.append_child("vmcoreinfo").append_attribute("state") = "on";
  }

  // machine.h has QEMU's words: "Nehalem,+rdrand". A scenario's own CPU is one of QEMU's options.
  void write_cpu() {
    pugi::xml_node cpu = domain_.append_child("cpu");
    if (kvm_) {
      cpu.append_attribute("mode") = "host-passthrough";
      return;
    }
    cpu.append_attribute("mode") = "custom";
    cpu.append_attribute("match") = "exact";
    cpu.append_attribute("check") = "none";
    const auto parts = split(machine_.cpu_tcg, ',');
    add_text(cpu, "model", parts[0]).append_attribute("fallback") = "forbid";
    for (std::size_t i = 1; i < parts.size(); ++i) {
      pugi::xml_node feature = cpu.append_child("feature");
      feature.append_attribute("policy") = parts[i].starts_with('-') ? "disable" : "require";
      feature.append_attribute("name") = parts[i].substr(1).c_str();
    }
  }

  // A panic is preserved. A reset cannot be: libvirt's QEMU driver either lets it happen or kills
  // QEMU (qemuProcessShutdownOrReboot() in src/qemu/qemu_process.c); so guests halt after a panic
  // instead of resetting, and a reset that comes all the same is at least told as one.
  void write_endings() {
    add_text(domain_, "on_poweroff", "destroy");
    add_text(domain_, "on_reboot", "restart");
    add_text(domain_, "on_crash", "preserve");
  }

  void place(pugi::xml_node device) {
    pugi::xml_node address = device.append_child("address");
    address.append_attribute("type") = "pci";
    address.append_attribute("domain") = "0x0000";
    address.append_attribute("bus") = "0x00";
    address.append_attribute("slot") = fmt::format("{:#04x}", slot_++).c_str();
    address.append_attribute("function") = "0x0";
  }

  static pugi::xml_node add_controller(pugi::xml_node devices, const char* type,
                                       const char* model) {
    pugi::xml_node controller = devices.append_child("controller");
    controller.append_attribute("type") = type;
    controller.append_attribute("index") = 0;
    if (model != nullptr) controller.append_attribute("model") = model;
    return controller;
  }

  void write_devices() {
    pugi::xml_node devices = domain_.append_child("devices");
    add_text(devices, "emulator", host_.emulator);
    add_controller(devices, "pci", "pcie-root");
    add_controller(devices, "usb", "none");
    place(add_controller(devices, "virtio-serial", nullptr));
    pugi::xml_node console = devices.append_child("console");
    console.append_attribute("type") = "pty";
    pugi::xml_node port = console.append_child("target");
    port.append_attribute("type") = "serial";
    port.append_attribute("port") = 0;
    pugi::xml_node channel = devices.append_child("channel");
    channel.append_attribute("type") = "unix";
    pugi::xml_node agent = channel.append_child("target");
    agent.append_attribute("type") = "virtio";
    agent.append_attribute("name") = std::string(guest::kPortName).c_str();
    pugi::xml_node watchdog = devices.append_child("watchdog");
    watchdog.append_attribute("model") = std::string(machine_.watchdog_device).c_str();
    watchdog.append_attribute("action") = "pause";
    place(watchdog);
    write_disks(devices);
    devices.append_child("memballoon").append_attribute("model") = "none";
  }

  void write_disks(pugi::xml_node devices) {
    bool controlled = false;
    for (std::size_t i = 0; i < config_.disks.size(); ++i) {
      const scenario::Disk& disk = config_.disks[i];
      if (!in_domain(disk, host_)) continue;
      const bool scsi = disk.bus == scenario::DiskBus::kScsi;
      if (scsi && !std::exchange(controlled, true)) {
        place(add_controller(devices, "scsi", "virtio-scsi"));
      }
      pugi::xml_node node = devices.append_child("disk");
      node.append_attribute("type") = "file";
      node.append_attribute("device") = "disk";
      pugi::xml_node driver = node.append_child("driver");
      driver.append_attribute("name") = "qemu";
      driver.append_attribute("type") = "raw";
      driver.append_attribute("cache") = "unsafe";
      driver.append_attribute("discard") = "unmap";
      node.append_child("source").append_attribute("file") = files_.disks[i].c_str();
      pugi::xml_node target = node.append_child("target");
      target.append_attribute("dev") = fmt::format("{}d{}", scsi ? 's' : 'v', letters(i)).c_str();
      target.append_attribute("bus") = scsi ? "scsi" : "virtio";
      add_text(node, "serial", fmt::format("disk{}", i));
      if (!scsi) place(node);
    }
  }

  void write_qemu_options() {
    std::vector<std::string> options;
    for (const auto& [key, value] : config_.hardware.machine) {
      options.insert(options.end(), {"-machine", fmt::format("{}={}", key, value)});
    }
    if (!config_.hardware.cpu.empty()) {
      options.insert(options.end(), {"-cpu", config_.hardware.cpu});
    }
    if (!files_.debugger.empty()) {
      options.insert(options.end(),
                     {"-chardev",
                      fmt::format("socket,id=debugger,path={},server=on,wait=off", files_.debugger),
                      "-gdb", "chardev:debugger"});
    }
    std::vector<std::string> disks = files_.disks;
    for (std::size_t i = 0; i < disks.size(); ++i) {
      if (in_domain(config_.disks[i], host_)) disks[i].clear();
    }
    const auto devices = qemu::device_arguments(machine_, config_, disks);
    options.insert(options.end(), devices.begin(), devices.end());
    if (options.empty()) return;
    pugi::xml_node list = domain_.append_child("qemu:commandline");
    for (const std::string& option : options) {
      list.append_child("qemu:arg").append_attribute("value") = option.c_str();
    }
  }

  const qemu::Machine& machine_;
  const VmConfig& config_;
  bool kvm_;
  const HostCapabilities& host_;
  const DomainFiles& files_;
  unsigned slot_ = kFirstSlot;
  pugi::xml_document document_;
  pugi::xml_node domain_ = document_.append_child("domain");
};

Status check_host(const qemu::Machine& machine, const VmConfig& config,
                  std::string_view accelerator, const HostCapabilities& host) {
  const auto refuse = [&](const std::string& what) {
    return fail(Blame::kInput, "the host's {} has no {}", host.emulator, what);
  };
  const std::string model = split(machine.cpu_tcg, ',').front();
  if (!host.vmcoreinfo) return refuse("vmcoreinfo device");
  if (!has(host.channel_types, "unix")) return refuse("channel over a socket");
  if (accelerator != "kvm" && !has(host.cpu_models, model)) return refuse("CPU model " + model);
  if (host.max_cpus != 0 && config.cpus > host.max_cpus) {
    return refuse(fmt::format("machine {} with {} CPUs; {} is the most", host.machine, config.cpus,
                              host.max_cpus));
  }
  return {};
}

}  // namespace

Result<std::string> domain_xml(const std::string& name, const qemu::Machine& machine,
                               const VmConfig& config, std::string_view accelerator,
                               const HostCapabilities& host, const DomainFiles& files) {
  RIG_TRY(check_host(machine, config, accelerator, host));
  return DomainWriter(machine, config, accelerator, host, files).write(name);
}

}  // namespace rig::vm::libvirt
