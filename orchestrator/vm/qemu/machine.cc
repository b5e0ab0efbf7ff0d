// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/machine.h"

#include <string>

namespace rig::vm::qemu {
namespace {

constexpr Machine kMachines[] = {
    // Nehalem: 4-level paging and quick under TCG ("max" turns on LA57). RDRAND spares the kernel
    // from gathering entropy out of jitter: 0.25 s of CPU per boot, and no driver as for
    // virtio-rng.
    {.arch = Arch::kX86_64,
     .binary = "qemu-system-x86_64",
     .debian_package = "qemu-system-x86",
     .type = "q35",
     .cpu_tcg = "Nehalem,+rdrand",
     .cpu_kvm = "host",
     .console = "ttyS0",
     .panic_device = "pvpanic-pci",
     .watchdog_device = "i6300esb"},
    // cortex-a57: what Debian's kernels know for years, and the quickest under TCG ("max" computes
    // PAC in software, and QEMU 7.2 damages the dumps of CPUs with SVE). The newest interrupt
    // controller that there is: GICv3 under TCG, under KVM whatever the host's can be.
    {.arch = Arch::kArm64,
     .binary = "qemu-system-aarch64",
     .debian_package = "qemu-system-arm",
     .type = "virt,gic-version=max",
     .cpu_tcg = "cortex-a57",
     .cpu_kvm = "host",
     .console = "ttyAMA0",
     .panic_device = "",
     .watchdog_device = "i6300esb"},
};

}  // namespace

Result<const Machine*> machine_for(Arch arch) {
  std::string known;
  for (const Machine& machine : kMachines) {
    if (machine.arch == arch) return &machine;
    known += (known.empty() ? "" : ", ") + std::string(to_string(machine.arch));
  }
  return fail_hint(Blame::kInput, fmt::format("available: {}", known),
                   "the qemu backend has no machine for {}", to_string(arch));
}

Result<std::string_view> console_device(Arch arch) {
  RIG_ASSIGN(const Machine* machine, machine_for(arch));
  return machine->console;
}

}  // namespace rig::vm::qemu
