// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/symbol_address.h"

#include <algorithm>

namespace rig::analyzer {

std::optional<VirtAddr> symbol_address(const Kernel& kernel, std::string_view name) {
  if (const auto found = kernel.symbol(name)) return *found;
  if (!kernel.modules()) return std::nullopt;
  for (const Module& module : kernel.modules()->all()) {
    const auto& symbols = kernel.modules()->symbols(module);
    const auto found = std::ranges::find(symbols, name, &ModuleSymbol::name);
    if (found != symbols.end()) return VirtAddr{found->address};
  }
  return std::nullopt;
}

}  // namespace rig::analyzer
