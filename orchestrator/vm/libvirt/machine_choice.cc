// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/machine_choice.h"

#include <mutex>
#include <set>

#include "vm/libvirt/libvirt_vm.h"
#include "vm/qemu/disk_file.h"
#include "vm/qemu/hardware_check.h"

namespace rig::vm::libvirt {
namespace {

constexpr std::chrono::minutes kAskTime{
    3};  // an embedded driver looks at every QEMU the first time

constexpr std::chrono::seconds kRestartTime{30};
constexpr Duration kRestartPause{250};

// Where this process has been connected before, a daemon that is not there is being restarted: it
// is waited for, so that the attempt that it cost can be made again.
Status connect(const std::shared_ptr<Host>& host, Caller& caller) {
  static std::mutex mutex;
  static std::set<std::string> seen;
  const Deadline patience = Deadline::after(kRestartTime);
  for (;;) {
    Status status =
        caller.call("connecting", Deadline::after(kAskTime), [host] { return host->connect(); });
    {
      const std::lock_guard lock(mutex);
      if (status) seen.insert(host->uri().text);
      if (status || status.error().blame != Blame::kRig || patience.expired() ||
          !seen.contains(host->uri().text)) {
        return status;
      }
    }
    if (!caller.pause(kRestartPause)) return fail(Blame::kCancelled, "stopped while connecting");
  }
}

Result<HostCapabilities> ask(const std::shared_ptr<Host>& host, const qemu::Machine& machine,
                             std::string_view accelerator, Caller& caller, Deadline deadline) {
  const auto found = std::make_shared<HostCapabilities>();
  RIG_TRY(caller.call("asking what the host has", deadline,
                      [host, &machine, accelerator = std::string(accelerator), found]() -> Status {
                        RIG_ASSIGN(*found, host->capabilities(machine, accelerator));
                        return {};
                      }));
  return *found;
}

}  // namespace

Result<MachineChoice> choose_machine(const std::shared_ptr<Host>& host, const VmConfig& config,
                                     Caller& caller, Deadline deadline) {
  RIG_ASSIGN(const qemu::Machine* machine, qemu::machine_for(config.arch));
  RIG_TRY(connect(host, caller));
  MachineChoice choice{.machine = machine, .accelerator = {}, .host = {}};
  if (host->uri().remote) {
    choice.accelerator = {"tcg", "KVM of another host is not proven; ask for it with --accel kvm"};
    if (config.accelerator != "auto") choice.accelerator = {config.accelerator, "asked for"};
    RIG_ASSIGN(choice.host, ask(host, *machine, choice.accelerator.name, caller, deadline));
    return choice;
  }
  // Every QEMU can do without KVM: so its path is found, and the probe run with it.
  RIG_ASSIGN(choice.host, ask(host, *machine, "tcg", caller, deadline));
  RIG_ASSIGN(const qemu::AcceleratorHost here,
             qemu::this_host(*machine, choice.host.emulator, config.stop));
  RIG_ASSIGN(choice.accelerator,
             qemu::choose_accelerator(*machine, config.accelerator, here, config.stop));
  if (choice.accelerator.name != "kvm") return choice;
  RIG_ASSIGN(choice.host, ask(host, *machine, "kvm", caller, deadline));
  return choice;
}

Result<std::string> identify_libvirt(const VmConfig& config) {
  RIG_ASSIGN(HostUri uri, parse_uri(config.host));
  RIG_ASSIGN(Loop loop, Loop::create());
  const auto host = std::make_shared<Host>(std::move(uri));
  Caller caller(loop, config.stop);
  RIG_ASSIGN(const MachineChoice choice,
             choose_machine(host, config, caller, Deadline::after(kAskTime)));
  DomainFiles files{.kernel = config.kernel, .initramfs = config.initramfs, .disks = {}};
  for (const scenario::Disk& disk : config.disks) {
    files.disks.push_back(disk.image.empty() ? "disk" : disk.image.string());
  }
  RIG_ASSIGN(const std::string xml, domain_xml("crashrig", *choice.machine, config,
                                               choice.accelerator.name, choice.host, files));
  return fmt::format("{}\n{}", host->version(), xml);
}

// The names that a scenario uses are QEMU's: on this host they are asked of the QEMU itself.
Result<std::vector<std::string>> check_libvirt(const VmConfig& config) {
  RIG_ASSIGN(HostUri uri, parse_uri(config.host));
  const bool remote = uri.remote;
  RIG_TRY(identify_libvirt(config));
  if (!remote) return qemu::check_machine(config);
  RIG_TRY(qemu::check_disk_tools(config.disks));
  return std::vector<std::string>{};
}

}  // namespace rig::vm::libvirt
