// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "vm/qemu/hardware_check.h"
#include "vm/qemu/qemu_vm.h"
#include "vm/vm.h"

namespace rig::vm {
namespace {

constexpr Backend kBackends[] = {
    {.name = "qemu",
     .start = qemu::start_qemu,
     .console_device = qemu::console_device,
     .check = qemu::check_machine,
     .identify = qemu::identify_qemu},
};

Result<const Backend*> find(std::string_view name) {
  std::vector<std::string> names;
  for (const Backend& entry : kBackends) {
    if (entry.name == name) return &entry;
    names.emplace_back(entry.name);
  }
  return fail(Blame::kInput, "unknown backend '{}'{}", name, suggest(name, names));
}

}  // namespace

std::vector<Backend> backends() {
  return {std::begin(kBackends), std::end(kBackends)};
}

Result<std::unique_ptr<Vm>> start(std::string_view backend, const VmConfig& config) {
  RIG_ASSIGN(const Backend* entry, find(backend));
  return entry->start(config);
}

Result<std::string> identify(std::string_view backend, const VmConfig& config) {
  RIG_ASSIGN(const Backend* entry, find(backend));
  return entry->identify(config);
}

Result<std::string_view> console_device(std::string_view backend, Arch arch) {
  RIG_ASSIGN(const Backend* entry, find(backend));
  return entry->console_device(arch);
}

Result<std::vector<std::string>> check(std::string_view backend, const VmConfig& config) {
  RIG_ASSIGN(const Backend* entry, find(backend));
  return entry->check(config);
}

Status check_arch(std::string_view backend, Arch arch) {
  RIG_TRY(console_device(backend, arch));
  return {};
}

}  // namespace rig::vm
