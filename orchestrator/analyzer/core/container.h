// SPDX-License-Identifier: Apache-2.0
// What a reader of one container format (ELF, kdump-compressed) hands to Core.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/core/dump_file.h"
#include "analyzer/core/dump_memory.h"
#include "analyzer/core/notes.h"
#include "base/arch.h"

namespace rig::analyzer {

class KdumpMemory;

struct Container {
  Arch arch = Arch::kX86_64;
  std::string format;
  std::shared_ptr<const DumpMemory> memory;
  std::shared_ptr<const KdumpMemory> part;  // the same, when it is one part of a split dump
  Notes notes;
  std::vector<std::string> remarks;
};

// Both expect a file that has their signature, and keep it.
Result<Container> open_elf(std::shared_ptr<const DumpFile> file);
Result<Container> open_kdump(std::shared_ptr<const DumpFile> file);

}  // namespace rig::analyzer
