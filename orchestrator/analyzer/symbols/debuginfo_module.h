// SPDX-License-Identifier: Apache-2.0
// What the core knows of a module's file: its build id and where its sections were loaded, as
// /sys/module/NAME/{notes,sections} show it. Source: kernel/module/sysfs.c, before v5.19
// kernel/module.c.
#pragma once

#include <string>
#include <vector>

#include "analyzer/core/virt_memory.h"
#include "analyzer/symbols/btf.h"
#include "analyzer/symbols/modules.h"

namespace rig::analyzer {

struct ModuleSection {
  std::string name;  // ".text"
  VirtAddr address{};
};

struct ModuleObject {
  std::string name;
  std::string build_id;                 // hex; empty when the core does not tell
  std::vector<ModuleSection> sections;  // that are still loaded; empty when the core does not tell
};

ModuleObject read_module_object(const VirtMemory& memory, const Btf& types, const Module& module);

}  // namespace rig::analyzer
