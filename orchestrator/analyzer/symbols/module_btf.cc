// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/module_btf.h"

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {}  // namespace

std::optional<ModuleBtf> find_module_btf(const VirtMemory& memory, const Btf& types, VirtAddr list,
                                         VirtAddr module) {
  const auto link = types.member("btf_module.list");
  const auto owner = types.member("btf_module.module");
  const auto btf = types.member("btf_module.btf");
  const auto data = types.member("btf.data");
  const auto size = types.member("btf.data_size");
  if (!link || !owner || !btf || !data || !size) return std::nullopt;
  auto next = memory.load<std::uint64_t>(list);
  for (unsigned i = 0; next && *next != raw(list) && i < kMaxModules; ++i) {
    const VirtAddr each{*next - link->offset};
    const auto whose = memory.load<std::uint64_t>(each + owner->offset);
    if (!whose) return std::nullopt;
    if (*whose != raw(module)) {
      next = memory.load<std::uint64_t>(VirtAddr{*next});
      continue;
    }
    const auto at = memory.load<std::uint64_t>(each + btf->offset);
    if (!at) return std::nullopt;
    const auto begin = memory.load<std::uint64_t>(VirtAddr{*at} + data->offset);
    const auto bytes = memory.load<std::uint32_t>(VirtAddr{*at} + size->offset);
    if (!begin || !bytes) return std::nullopt;
    return ModuleBtf{VirtAddr{*begin}, *bytes};
  }
  return std::nullopt;
}

}  // namespace rig::analyzer
