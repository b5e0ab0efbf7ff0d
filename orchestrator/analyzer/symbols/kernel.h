// SPDX-License-Identifier: Apache-2.0
// A kernel as the rest of the analyzer sees it: its memory, symbols and types together. Parts that
// the core does not have are absent; whoever needs one asks first.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/core/core.h"
#include "analyzer/core/virt_memory.h"
#include "analyzer/findings.h"
#include "analyzer/symbols/btf.h"
#include "analyzer/symbols/hunt.h"
#include "analyzer/symbols/kallsyms.h"
#include "analyzer/symbols/modules.h"
#include "analyzer/symbols/orc.h"

namespace rig::analyzer {

class Kernel {
 public:
  // Reads what there is; what there is not goes into `remarks`.
  static Kernel read(const VirtMemory& memory, const Vmcoreinfo& info,
                     std::vector<std::string>& remarks);
  // From parts, for tests.
  Kernel(const VirtMemory& memory, const Vmcoreinfo& info, std::optional<Kallsyms> symbols,
         std::optional<Btf> types, std::optional<Modules> modules = {},
         std::optional<Hunt> hunt = {});

  const VirtMemory& memory() const { return *memory_; }
  const Vmcoreinfo& info() const { return *info_; }
  const std::optional<Kallsyms>& symbols() const { return symbols_; }
  const std::optional<Btf>& types() const { return types_; }
  const std::optional<Modules>& modules() const { return modules_; }
  // How what kallsyms does not name was found; null when kallsyms names everything.
  const Hunt* hunt() const { return hunt_ ? &*hunt_ : nullptr; }
  // The types of a module of modules(), which continue types(); read when first asked for. Null
  // when it has none or they make no sense.
  const Btf* types_of(const Module& module) const;

  std::optional<VirtAddr> symbol(std::string_view name) const;
  // The value of a variable of up to 8 bytes.
  template <typename T = std::uint64_t>
  std::optional<T> variable(std::string_view name) const {
    const auto at = symbol(name);
    if (!at) return std::nullopt;
    const auto value = memory_->load<T>(*at);
    return value ? std::optional<T>(*value) : std::nullopt;
  }

  std::optional<Member> member(std::string_view path) const;
  // The integer, pointer or bit field `path` ("task_struct.pid") of the struct at `object`.
  std::optional<std::uint64_t> field(VirtAddr object, std::string_view path) const;
  // The char array `path` of the struct at `object`.
  std::string text_field(VirtAddr object, std::string_view path) const;

  // What to add to a per-CPU variable's link address for that CPU: __per_cpu_offset[cpu].
  std::optional<std::uint64_t> per_cpu_offset(unsigned cpu) const;
  // All of that table, from CPU 0 on: as many as the kernel says that there can be, `most` at most;
  // 0 where it cannot be read. For whoever asks of many CPUs.
  std::vector<std::uint64_t> per_cpu_offsets(std::size_t most) const;
  // A per-CPU variable of the kernel, on one CPU.
  std::optional<VirtAddr> per_cpu(unsigned cpu, std::string_view name) const;

  // The static per-CPU variable at or before `address`, which is as the linker placed it.
  std::optional<Symbol> nearest_per_cpu(VirtAddr address) const;

  // Within the kernel's own image: its code or static data.
  bool in_image(VirtAddr address) const;
  bool is_code(VirtAddr address) const;
  // Code of the kernel or a module, in words; nothing when it is neither.
  std::optional<CodeLocation> code(VirtAddr address) const;
  // The kernel's static data or a module's: "init_task+0x40", "counter+0x0 [toa]".
  std::optional<std::string> data(VirtAddr address) const;
  // How to find the caller of the function around `address`, where the kernel or the module has ORC
  // tables that tell.
  std::optional<OrcEntry> unwind_entry(VirtAddr address) const;

 private:
  const std::optional<Orc>& orc() const;

  const VirtMemory* memory_;
  const Vmcoreinfo* info_;
  std::optional<Kallsyms> symbols_;
  std::optional<Btf> types_;
  std::optional<Modules> modules_;
  mutable std::map<VirtAddr, std::optional<Btf>> module_types_;  // by struct module
  std::optional<Hunt> hunt_;
  mutable std::optional<std::optional<Orc>> orc_;  // opened when it is first asked for
  std::optional<VirtAddr> text_begin_, text_end_, init_begin_, init_end_, image_end_;
};

std::string to_string(const CodeLocation& location);  // "skb_release_data+0xa3 [module]"

}  // namespace rig::analyzer
