// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "vm/qemu/qemu_vm.h"
#include "vm/vm.h"

namespace rig::vm {
namespace {

constexpr Backend kBackends[] = {{"qemu", qemu::start_qemu}};

}  // namespace

std::vector<Backend> backends() {
  return {std::begin(kBackends), std::end(kBackends)};
}

Result<std::unique_ptr<Vm>> start(std::string_view backend, const VmConfig& config) {
  std::vector<std::string> names;
  for (const Backend& entry : kBackends) {
    if (entry.name == backend) return entry.start(config);
    names.emplace_back(entry.name);
  }
  return fail(Blame::kInput, "unknown backend '{}'{}", backend, suggest(backend, names));
}

}  // namespace rig::vm
