// SPDX-License-Identifier: Apache-2.0
// The loaded modules and their symbols, from `modules` and each struct module's own ELF symbol
// table (CONFIG_KALLSYMS keeps it). A module's symbols are read when an address falls into it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/core/virt_memory.h"
#include "analyzer/symbols/btf.h"
#include "base/error.h"

namespace rig::analyzer {

struct ModuleRange {
  VirtAddr begin{};
  std::uint64_t size = 0;
  bool text = false;
};

struct ModuleSymbol {
  std::uint64_t address = 0;
  std::string name;
  char type = '?';  // as nm prints it
};

struct Module {
  VirtAddr at{};  // of its struct module
  std::string name;
  std::vector<ModuleRange> ranges;
  ModuleRange per_cpu =
      {};  // its static per-CPU variables, by the linker's addresses; size 0: none

  const ModuleRange* range_of(VirtAddr address) const;
};

class Modules {
 public:
  // `list`: the address of the list head `modules`. A list that cannot be followed to its end gives
  // the modules before the break and a remark.
  static Result<Modules> read(const VirtMemory& memory, const Btf& types, VirtAddr list,
                              std::vector<std::string>& remarks);

  const std::vector<Module>& all() const { return modules_; }
  const Module* containing(VirtAddr address) const;

  // The symbol at or before `address` in `module`, within the same range.
  std::optional<ModuleSymbol> nearest(const Module& module, VirtAddr address) const;
  // All of one of these modules, by address; those of per-CPU variables too.
  const std::vector<ModuleSymbol>& symbols(const Module& module) const;
  // The static per-CPU variable of that name: a pointer as alloc_percpu() gives them.
  std::optional<VirtAddr> per_cpu(std::string_view name) const;

 private:
  // Where struct module keeps its symbols. Since 8244062ef1e5 (v4.5) in a struct mod_kallsyms.
  struct SymbolTable {
    std::uint64_t kallsyms = 0;                            // in struct module
    std::uint64_t symtab = 0, num_symtab = 0, strtab = 0;  // in struct mod_kallsyms
    std::optional<std::uint64_t> typetab;                  // since 1c7651f43777 (v5.2)
  };

  const std::vector<ModuleSymbol>& symbols_of(std::size_t index) const;

  const VirtMemory* memory_ = nullptr;
  std::optional<SymbolTable> table_;
  std::vector<Module> modules_;
  mutable std::vector<std::optional<std::vector<ModuleSymbol>>> symbols_;  // by module, by address
};

}  // namespace rig::analyzer
