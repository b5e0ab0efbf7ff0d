// SPDX-License-Identifier: Apache-2.0
// Where a loaded module's types are: in the kernel's own list of them, btf_modules. struct module
// points to them only while it is being loaded. Format: kernel/bpf/btf.c.
#pragma once

#include <optional>

#include "analyzer/core/virt_memory.h"
#include "analyzer/symbols/btf.h"

namespace rig::analyzer {

struct ModuleBtf {
  VirtAddr data{};
  std::uint64_t size = 0;
};

// `list`: the address of `btf_modules`; `module`: of a struct module. Nothing when it has no types,
// or the list breaks before it.
std::optional<ModuleBtf> find_module_btf(const VirtMemory& memory, const Btf& types, VirtAddr list,
                                         VirtAddr module);

}  // namespace rig::analyzer
