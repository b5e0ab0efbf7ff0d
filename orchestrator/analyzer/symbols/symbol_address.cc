// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/symbol_address.h"

#include <algorithm>
#include <array>

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxExports = 1 << 16;
constexpr std::uint64_t kMaxName = 512;

// A struct kernel_symbol is three offsets from where each stands, since 7290d5809571 (v4.19).
struct Export {
  std::int32_t value, name, space;
};
static_assert(sizeof(Export) == 12);

std::uint64_t distance(std::int32_t offset) {
  return static_cast<std::uint64_t>(std::int64_t{offset});
}

// In one of a module's tables of exported symbols.
std::optional<VirtAddr> find_export(const Kernel& kernel, VirtAddr table, std::uint64_t count,
                                    std::string_view name) {
  const VirtMemory& memory = kernel.memory();
  for (std::uint64_t i = 0; i < std::min(count, kMaxExports); ++i) {
    const VirtAddr at = table + i * sizeof(Export);
    const auto entry = memory.load<Export>(at);
    if (!entry) break;
    const auto text = memory.read_up_to(at + 4 + distance(entry->name), kMaxName);
    if (load_c_string(text, 0) == name) return at + distance(entry->value);
  }
  return std::nullopt;
}

// Without CONFIG_KALLSYMS_ALL a module's ELF symbols are those of its code; what it exports keeps
// its name all the same.
std::optional<VirtAddr> exported_by(const Kernel& kernel, const Module& module,
                                    std::string_view name) {
  constexpr std::array<std::array<std::string_view, 2>, 2> kTables = {
      {{"module.syms", "module.num_syms"}, {"module.gpl_syms", "module.num_gpl_syms"}}};
  if (!kernel.member("kernel_symbol.value_offset")) return std::nullopt;
  for (const auto& [symbols, number] : kTables) {
    const auto table = kernel.field(module.at, symbols);
    const auto count = kernel.field(module.at, number);
    if (!table || !count) continue;
    const auto found = find_export(kernel, VirtAddr{*table}, *count, name);
    if (found && module.range_of(*found)) return found;
  }
  return std::nullopt;
}

}  // namespace

std::optional<VirtAddr> symbol_address(const Kernel& kernel, std::string_view name) {
  if (const auto found = kernel.symbol(name)) return *found;
  if (!kernel.modules()) return std::nullopt;
  for (const Module& module : kernel.modules()->all()) {
    const auto& symbols = kernel.modules()->symbols(module);
    const auto found = std::ranges::find(symbols, name, &ModuleSymbol::name);
    if (found != symbols.end()) return VirtAddr{found->address};
    if (const auto exported = exported_by(kernel, module, name)) return exported;
  }
  return std::nullopt;
}

}  // namespace rig::analyzer
