// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/whatis.h"

#include "analyzer/facts/address.h"

namespace rig::analyzer {
namespace {

std::string describe(const SlabHit& hit) {
  const SlabObject& object = hit.object;
  std::string text = fmt::format("{} object {} ", object.cache, object.address);
  if (hit.offset < 0) {
    text += fmt::format("-{:#x}, in the red zone before it", -hit.offset);
  } else {
    text += fmt::format("+{:#x}", hit.offset);
    if (static_cast<std::uint64_t>(hit.offset) >= object.object_size) {
      text += fmt::format(", behind its {} bytes", object.object_size);
    }
  }
  if (!object.allocated) return text + " (state unknown)";
  return text + (*object.allocated ? " (allocated)" : " (free)");
}

}  // namespace

Whatis::Whatis(const Kernel& kernel, const Architecture& arch, unsigned paging_levels,
               std::vector<StackRange> stacks, unsigned cpus)
    : kernel_(kernel),
      arch_(arch),
      paging_levels_(paging_levels),
      stacks_(std::move(stacks)),
      per_cpu_offsets_(kernel.per_cpu_offsets(cpus)),
      slabs_(kernel, arch, cpus) {}

std::optional<std::string> Whatis::per_cpu(VirtAddr address) const {
  const auto begin = kernel_.symbol("__per_cpu_start");
  const auto unit = kernel_.variable<std::int32_t>("pcpu_unit_size");
  if (!kernel_.symbols() || !begin) return std::nullopt;
  for (std::size_t cpu = 0; cpu < per_cpu_offsets_.size(); ++cpu) {
    if (per_cpu_offsets_[cpu] == 0) continue;
    const VirtAddr linked = address - per_cpu_offsets_[cpu];
    if (const auto found = kernel_.nearest_per_cpu(linked)) {
      return fmt::format("per-CPU {}+{:#x} of CPU {}", found->name, linked - found->address, cpu);
    }
    // The first chunk: behind the static variables lie those of modules and alloc_percpu().
    if (unit && *unit > 0 && linked - *begin < static_cast<std::uint64_t>(*unit)) {
      return fmt::format("per-CPU area of CPU {}, +{:#x}", cpu, linked - *begin);
    }
  }
  return std::nullopt;
}

std::optional<std::string> Whatis::stack(VirtAddr address) const {
  for (const StackRange& each : stacks_) {
    if (each.contains(address)) {
      return fmt::format("{}, {:#x} below its top", each.name, each.end() - address);
    }
  }
  return std::nullopt;
}

std::string Whatis::page(VirtAddr address, const Region& region) const {
  const auto physical = kernel_.memory().translate(address);
  if (!physical) return fmt::format("{}, {}", region.words, to_string(physical.error().why));
  return fmt::format("{}, physical {}", region.words, *physical);
}

What Whatis::ask(VirtAddr address) {
  const Region region = arch_.region(kernel_, paging_levels_, address);
  if (!region.worth_asking) {
    if (auto words = poison_words(raw(address))) return {*std::move(words), {}, true};
    return {region.words, {}, false};
  }
  if (const auto code = kernel_.code(address)) return {"code " + to_string(*code), {}, true};
  if (const auto data = kernel_.data(address)) return {"data " + *data, {}, true};
  if (const auto words = per_cpu(address)) return {*words, {}, true};
  if (const auto words = stack(address)) return {*words, {}, true};
  std::string why;
  if (auto hit = slabs_.find(address, &why)) {
    auto words = describe(*hit);
    return {std::move(words), std::move(hit), true};
  }
  if (!why.empty()) return {why, {}, true};
  return {page(address, region), {}, false};
}

}  // namespace rig::analyzer
