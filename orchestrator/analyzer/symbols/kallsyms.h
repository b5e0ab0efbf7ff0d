// SPDX-License-Identifier: Apache-2.0
// The kernel's own symbol table, read from the core: no vmlinux, no System.map.
// Format: scripts/kallsyms.c, kernel/kallsyms.c. Names are sequences of tokens; addresses are
// 32-bit offsets from a base. VMCOREINFO tells where the tables are since 5fd8fea935a1 (v6.0).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/core/virt_memory.h"
#include "analyzer/core/vmcoreinfo.h"
#include "analyzer/symbols/name_index.h"
#include "base/error.h"

namespace rig::analyzer {

struct Symbol {
  VirtAddr address{};  // of a per-CPU variable: its offset within each CPU's area
  std::string_view name;
  char type = '?';  // as nm prints it
};

class Kallsyms {
 public:
  // Blame::kInput when VMCOREINFO does not say where the tables are, or they make no sense.
  static Result<Kallsyms> read(const VirtMemory& memory, const Vmcoreinfo& info);

  std::size_t size() const { return entries_.size(); }
  std::optional<VirtAddr> address(std::string_view name) const;

  // The last symbol at or before `address`: of several at one place the first in the table, as the
  // kernel does. Nothing below the first symbol; per-CPU variables are never found here.
  std::optional<Symbol> nearest(VirtAddr address) const;

  // The static per-CPU variable at or before `address`, which is as the linker placed it: a CPU's
  // own copy less that CPU's __per_cpu_offset.
  std::optional<Symbol> nearest_per_cpu(VirtAddr address) const;

 private:
  struct Entry {
    std::uint64_t address = 0;
    std::uint32_t name = 0;  // where it begins in names_
    std::uint16_t length = 0;
    char type = '?';
  };

  class Names;

  Symbol at(std::size_t index) const;
  std::optional<std::size_t> last_at_or_before(std::uint64_t address) const;
  Status check(const Vmcoreinfo& info) const;

  std::string names_;
  std::vector<Entry> entries_;  // by address
  NameIndex index_;
  std::uint64_t per_cpu_begin_ = 0;  // 0 on x86_64 until 9d7de2aa8b41 (v6.15)
  std::uint64_t per_cpu_end_ = 0;
};

}  // namespace rig::analyzer
