// SPDX-License-Identifier: Apache-2.0
// Variables of a kernel whose kallsyms names functions only (CONFIG_KALLSYMS_ALL=n: Debian's
// arm64). Each is found by its shape or through the code that uses it, and proven by what it holds:
// no answer is better than a wrong one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/core/vmcoreinfo.h"
#include "analyzer/symbols/btf.h"
#include "analyzer/symbols/kallsyms.h"
#include "analyzer/symbols/ksymtab.h"

namespace rig::analyzer {

class Hunt {
 public:
  // Reads the kernel's constants once. Nothing when kallsyms does not say where they are.
  static std::optional<Hunt> start(const VirtMemory& memory, const Vmcoreinfo& info,
                                   const Kallsyms& symbols);

  Hunt(Hunt&&) = default;
  Hunt& operator=(Hunt&&) = default;

  // The kernel's types, found by the header of BTF; nothing when it carries none.
  const std::optional<Btf>& types() const { return types_; }
  std::size_t exported() const { return exported_ ? exported_->size() : 0; }

  // An exported variable, a per-CPU variable as the linker placed it, or one of those that hunt.cc
  // knows a way to. `symbols`: as at the start. Found once and kept, also that it was not found.
  std::optional<VirtAddr> address(std::string_view name, const Kallsyms& symbols) const;

  // The static per-CPU variable that `address`, as the linker placed it, lies in.
  std::optional<Symbol> nearest_per_cpu(VirtAddr address) const;

  // How each was found that was: "modules: find_module_all() refers to it".
  const std::vector<std::string>& provenance() const { return provenance_; }

  // What a way to a variable may use.
  struct Context {
    const VirtMemory& memory;
    const Kallsyms& symbols;
    const Btf& types;
    const Hunt& hunt;
  };

 private:
  Hunt(const VirtMemory& memory, std::vector<std::byte> constants, VirtAddr begin)
      : memory_(&memory), constants_(std::move(constants)), constants_begin_(begin) {}

  void find_types();
  void find_banner(const Vmcoreinfo& info);
  void find_per_cpu(const Kallsyms& symbols);
  bool per_cpu_is_right(const Kallsyms& symbols, VirtAddr base) const;
  std::optional<VirtAddr> per_cpu_variable(std::string_view name) const;
  std::vector<VirtAddr> references(std::string_view function, bool accessed,
                                   const Kallsyms& symbols) const;
  std::optional<VirtAddr> through_code(std::string_view name, const Kallsyms& symbols) const;

  const VirtMemory* memory_;
  std::vector<std::byte> constants_;  // from the end of the text to the code of the start
  VirtAddr constants_begin_;
  std::optional<Btf> types_;
  std::optional<Ksymtab> exported_;
  std::optional<TypeInfo> per_cpu_section_;
  std::optional<VirtAddr> per_cpu_begin_;
  bool arm64_ = false;
  mutable std::map<std::string, std::optional<VirtAddr>, std::less<>> known_;
  mutable std::vector<std::string> provenance_;
};

}  // namespace rig::analyzer
