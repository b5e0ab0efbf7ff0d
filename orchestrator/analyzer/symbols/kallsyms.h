// SPDX-License-Identifier: Apache-2.0
// The kernel's own symbol table, read from the core: no vmlinux, no System.map. Opening it reads a
// few pages; an address is a binary search over the table as it lies in the core.
// Format: scripts/kallsyms.c, kernel/kallsyms.c. Addresses are 32-bit offsets from a base.
// VMCOREINFO tells where the tables are since 5fd8fea935a1 (v6.0).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "analyzer/core/virt_memory.h"
#include "analyzer/core/vmcoreinfo.h"
#include "analyzer/symbols/kallsyms_names.h"
#include "base/error.h"

namespace rig::analyzer {

struct Symbol {
  VirtAddr address{};  // of a per-CPU variable: its offset within each CPU's area
  std::string name;
  char type = '?';  // as nm prints it
};

class Kallsyms {
 public:
  // Blame::kInput when VMCOREINFO does not say where the tables are, or they make no sense.
  // `memory` must outlive the result.
  static Result<Kallsyms> read(const VirtMemory& memory, const Vmcoreinfo& info);

  std::size_t size() const { return count_; }
  // By address, several at one address in the order of the table; number < size().
  std::optional<Symbol> at(std::uint32_t number) const;
  // How many of them address() cannot find, because the core lacks their names. Costs as address().
  std::uint32_t lost() const { return names_.lost(); }

  // Of several of that name the first in the table. The first call decodes all names.
  std::optional<VirtAddr> address(std::string_view name) const;

  // Whether `name` is one of the symbols at exactly this address.
  bool has(VirtAddr address, std::string_view name) const;

  // The last symbol at or before `address`: of several at one place the first in the table, as the
  // kernel does. Nothing below the first symbol; per-CPU variables are never found here.
  std::optional<Symbol> nearest(VirtAddr address) const;

  // Where the first symbol after `address` lies: the end of what lies at `address`.
  std::optional<VirtAddr> next_after(VirtAddr address) const;

  // The static per-CPU variable at or before `address`, which is as the linker placed it: a CPU's
  // own copy less that CPU's __per_cpu_offset.
  std::optional<Symbol> nearest_per_cpu(VirtAddr address) const;

 private:
  explicit Kallsyms(KallsymsNames names) : names_(std::move(names)) {}

  std::optional<std::uint64_t> address_at(std::uint32_t number) const;
  template <typename Before>
  std::optional<std::uint32_t> first_not(Before before) const;
  std::optional<std::uint32_t> last_at_or_before(std::uint64_t address) const;
  bool is_absolute_per_cpu() const;
  Status check(const Vmcoreinfo& info) const;
  Status check(std::string_view name, VirtAddr address) const;

  const VirtMemory* memory_ = nullptr;
  VirtAddr offsets_{};
  std::uint64_t relative_base_ = 0;
  std::uint32_t count_ = 0;
  bool absolute_per_cpu_ = false;
  KallsymsNames names_;
};

}  // namespace rig::analyzer
