// SPDX-License-Identifier: Apache-2.0
// The symbols that the kernel exports to modules, found by their shape: they name variables also
// where kallsyms does not (CONFIG_KALLSYMS_ALL=n).
// Format: struct kernel_symbol with PREL32 references (include/linux/export.h): three signed
// 32-bit distances from themselves, to the value, its name and its namespace; sorted by name.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "analyzer/symbols/kallsyms.h"

namespace rig::analyzer {

class Ksymtab {
 public:
  // Searches `constants`, which lie at `begin`. Tables count only if their functions are where
  // `symbols` has them. Nothing when there is no such table. `constants` must outlive the result.
  static std::optional<Ksymtab> find(ByteView constants, VirtAddr begin, const Kallsyms& symbols);

  std::size_t size() const;
  std::optional<VirtAddr> address(std::string_view name) const;

 private:
  struct Entry {
    VirtAddr value{};
    std::string_view name;
  };
  // A table sorted by name: `count` entries from `offset` on.
  struct Table {
    std::uint64_t offset = 0, count = 0;
  };

  Ksymtab(ByteView constants, VirtAddr begin) : constants_(constants), begin_(begin) {}
  std::optional<Entry> entry(std::uint64_t offset) const;
  bool agrees(const Table& table, const Kallsyms& symbols) const;

  ByteView constants_;
  VirtAddr begin_;
  std::vector<Table> tables_;
};

}  // namespace rig::analyzer
