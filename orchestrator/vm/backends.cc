// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "vm/libvirt/host_uri.h"
#include "vm/libvirt/libvirt_vm.h"
#include "vm/qemu/hardware_check.h"
#include "vm/qemu/qemu_vm.h"
#include "vm/vm.h"

namespace rig::vm {
namespace {

constexpr Backend kBackends[] = {
    {.name = "qemu",
     .panic_parameter = "panic=-1",
     .keeps_resets = true,
     .start = qemu::start_qemu,
     .console_device = qemu::console_device,
     .check = qemu::check_machine,
     .identify = qemu::identify_qemu},
    // Its reset cannot be caught: a kernel that panicked halts instead (libvirt/domain_xml.cc).
    {.name = "libvirt",
     .panic_parameter = "panic=0",
     .keeps_resets = false,
     .start = libvirt::start_libvirt,
     .console_device = qemu::console_device,
     .check = libvirt::check_libvirt,
     .identify = libvirt::identify_libvirt},
};

// The backend, and the host that it is asked for.
struct Chosen {
  const Backend* backend;
  std::string host;
};

Result<Chosen> find(std::string_view name) {
  const bool uri = libvirt::looks_like_uri(name);
  if (uri) RIG_TRY(libvirt::parse_uri(name));
  const std::string_view wanted = uri ? "libvirt" : name;
  std::vector<std::string> names{"embed"};
  for (const Backend& entry : kBackends) {
    if (entry.name == wanted) return Chosen{&entry, std::string(uri ? name : "embed")};
    names.emplace_back(entry.name);
  }
  return fail_hint(Blame::kInput, "qemu, embed, or a URI as qemu:///system",
                   "unknown backend '{}'{}", name, suggest(name, names));
}

VmConfig on_host(VmConfig config, const Chosen& chosen) {
  config.host = chosen.host;
  return config;
}

}  // namespace

std::vector<Backend> backends() {
  return {std::begin(kBackends), std::end(kBackends)};
}

Result<std::unique_ptr<Vm>> start(std::string_view backend, const VmConfig& config) {
  RIG_ASSIGN(const Chosen chosen, find(backend));
  return chosen.backend->start(on_host(config, chosen));
}

Result<std::string> identify(std::string_view backend, const VmConfig& config) {
  RIG_ASSIGN(const Chosen chosen, find(backend));
  return chosen.backend->identify(on_host(config, chosen));
}

Result<std::string_view> console_device(std::string_view backend, Arch arch) {
  RIG_ASSIGN(const Chosen chosen, find(backend));
  return chosen.backend->console_device(arch);
}

Result<std::string_view> panic_parameter(std::string_view backend) {
  RIG_ASSIGN(const Chosen chosen, find(backend));
  return chosen.backend->panic_parameter;
}

Result<std::vector<std::string>> check(std::string_view backend, const VmConfig& config) {
  RIG_ASSIGN(const Chosen chosen, find(backend));
  return chosen.backend->check(on_host(config, chosen));
}

Status check_arch(std::string_view backend, Arch arch) {
  RIG_TRY(console_device(backend, arch));
  return {};
}

}  // namespace rig::vm
