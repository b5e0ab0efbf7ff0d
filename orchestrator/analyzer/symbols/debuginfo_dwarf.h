// SPDX-License-Identifier: Apache-2.0
// The DWARF of one file through elfutils' libdw: an address to its lines, inlined callers included.
// Relocatable files (modules) are relocated to where the core has their sections, by libdwfl.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "analyzer/symbols/debuginfo.h"
#include "analyzer/symbols/debuginfo_module.h"
#include "base/error.h"
#include "base/file.h"

namespace rig::analyzer {

class DwarfFile {
 public:
  // Blame::kInput when it is not ELF or has no DWARF.
  static Result<DwarfFile> open_kernel(const fs::path& path);
  static Result<DwarfFile> open_module(const fs::path& path, std::vector<ModuleSection> sections);
  DwarfFile(DwarfFile&&) noexcept;
  DwarfFile& operator=(DwarfFile&&) noexcept;
  ~DwarfFile();

  // `address` as this file has it. `source_root`: the folder that file names are made relative to.
  std::vector<SourceLine> lines(std::uint64_t address, const std::string& source_root) const;

  // The source tree's folder on the machine that built it; empty when it cannot be told.
  std::string source_root() const;

 private:
  struct State;
  explicit DwarfFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rig::analyzer
