// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/x86_64_kernel.h"

#include "analyzer/arch/kernel_config.h"
#include "analyzer/arch/x86_64_paging.h"

namespace rig::analyzer {
namespace {

// Documentation/x86/x86_64/mm.rst. Where nothing moves the areas (neither CONFIG_RANDOMIZE_MEMORY
// nor CONFIG_X86_5LEVEL: four levels) they are here, and no variable says so.
constexpr std::uint64_t kFixedDirectMap = 0xffff'8880'0000'0000;
constexpr std::uint64_t kFixedVmalloc = 0xffff'c900'0000'0000;
constexpr std::uint64_t kFixedPageArray = 0xffff'ea00'0000'0000;
// These do not move, with 4 or 5 levels.
constexpr std::uint64_t kCpuEntryArea = 0xffff'fe00'0000'0000;
constexpr std::uint64_t kCpuEntryAreaEnd = 0xffff'fe80'0000'0000;
constexpr std::uint64_t kKernelImage = 0xffff'ffff'8000'0000;
constexpr std::uint64_t kFixmap = 0xffff'ffff'ff00'0000;
constexpr std::uint64_t kShadowEnd = 0xffff'fc00'0000'0000;

// A pointer that each CPU has for itself. In v6.2 to v6.14 some lived in one struct pcpu_hot
// (e57ef2ed97c1 made it, x86/percpu took it apart again).
std::optional<VirtAddr> per_cpu_pointer(const Kernel& kernel, unsigned cpu,
                                        std::string_view variable) {
  if (const auto at = kernel.per_cpu(cpu, variable)) {
    const auto value = kernel.memory().load<std::uint64_t>(*at);
    return value ? std::optional(VirtAddr{*value}) : std::nullopt;
  }
  const auto hot = kernel.per_cpu(cpu, "pcpu_hot");
  if (!hot) return std::nullopt;
  const auto value = kernel.field(*hot, fmt::format("pcpu_hot.{}", variable));
  return value ? std::optional(VirtAddr{*value}) : std::nullopt;
}

// Where an area begins: a variable, or a constant of kernels that have no such variable.
std::optional<std::uint64_t> area_base(const Kernel& kernel, std::string_view variable,
                                       std::uint64_t fixed) {
  if (kernel.symbol(variable)) return kernel.variable(variable);
  // All three come and go with CONFIG_DYNAMIC_MEMORY_LAYOUT. Only the page tables prove that there
  // is none: the direct map is where the constant says.
  const auto page = kernel.info().symbol("swapper_pg_dir");
  const auto physical = page ? kernel.memory().translate(*page) : Read<PhysAddr>(PhysAddr{});
  if (!page || !physical) return std::nullopt;
  const auto there = kernel.memory().translate(VirtAddr{kFixedDirectMap} + raw(*physical));
  return there == *physical ? std::optional(fixed) : std::nullopt;
}

// KASAN's shadow memory of the kernel's half, with an eighth of its size.
bool is_shadow(const Kernel& kernel, unsigned paging_levels, std::uint64_t address) {
  const std::uint64_t begin = paging_levels == 5 ? 0xffdf'0000'0000'0000 : 0xffff'ec00'0000'0000;
  return address >= begin && address < kShadowEnd && has_generic_kasan(kernel);
}

}  // namespace

std::optional<VirtAddr> x86_64_current_task(const Kernel& kernel, unsigned cpu) {
  return per_cpu_pointer(kernel, cpu, "current_task");
}

std::vector<StackRange> x86_64_cpu_stacks(const Kernel& kernel, unsigned cpu) {
  std::vector<StackRange> stacks;
  const auto size_of = [&](std::string_view type) {
    return kernel.types() ? kernel.types()->size_of(type) : std::nullopt;
  };
  // Points to the topmost word since 951c2a51ae75 (v5.12), to the end before.
  const auto top = per_cpu_pointer(kernel, cpu, "hardirq_stack_ptr");
  if (top && raw(*top) != 0) {
    const auto size = size_of("irq_stack").value_or(task_stack_size(kernel, 16 << 10));
    const auto end = align_up(raw(*top), 4096);
    stacks.push_back({fmt::format("IRQ stack of CPU {}", cpu), VirtAddr{end - size}, size});
  }
  // The stacks that the IDT switches to, mapped with guard pages between them.
  const auto area = per_cpu_pointer(kernel, cpu, "cea_exception_stacks");
  if (!area || raw(*area) == 0) return stacks;
  constexpr std::pair<std::string_view, std::string_view> kIstStacks[] = {
      {"DF_stack", "double fault"},   {"NMI_stack", "NMI"}, {"DB_stack", "debug"},
      {"MCE_stack", "machine check"}, {"VC_stack", "#VC"},  {"VC2_stack", "#VC fallback"}};
  for (const auto& [member, name] : kIstStacks) {
    const auto found = kernel.member(fmt::format("cea_exception_stacks.{}", member));
    if (!found || found->size == 0) continue;
    stacks.push_back(
        {fmt::format("{} stack of CPU {}", name, cpu), *area + found->offset, found->size});
  }
  // Where entries from user mode begin, in the same area (arch/x86/include/asm/cpu_entry_area.h).
  const auto exceptions = kernel.member("cpu_entry_area.estacks");
  const auto entry = kernel.member("cpu_entry_area.entry_stack_page");
  if (exceptions && entry && entry->size != 0) {
    stacks.push_back({fmt::format("entry stack of CPU {}", cpu),
                      *area - exceptions->offset + entry->offset, entry->size});
  }
  return stacks;
}

std::vector<StackRange> x86_64_stacks_around(const Kernel&, VirtAddr) {
  return {};
}

std::optional<VirtAddr> x86_64_entry_of(const Kernel&, ByteView stack, VirtAddr,
                                        std::uint64_t frame) {
  if (frame < sizeof(std::uint64_t)) return std::nullopt;
  const auto below = load<std::uint64_t>(stack, frame - sizeof(std::uint64_t));
  return below ? std::optional(VirtAddr{*below}) : std::nullopt;
}

KernelLayout x86_64_layout(const Kernel& kernel) {
  KernelLayout layout;
  if (const auto base = area_base(kernel, "page_offset_base", kFixedDirectMap)) {
    layout.direct_map = VirtAddr{*base};
  }
  if (const auto base = area_base(kernel, "vmemmap_base", kFixedPageArray)) {
    layout.page_array = VirtAddr{*base};
  }
  return layout;
}

Region x86_64_region(const Kernel& kernel, unsigned paging_levels, VirtAddr address) {
  const std::uint64_t value = raw(address);
  if (value < 4096) return {"in the NULL page", false};
  // Kernels from v5.x on poison list heads with these (include/linux/poison.h).
  if (value == 0xdead'0000'0000'0100 || value == 0xdead'0000'0000'0122) {
    return {"a list poison: the entry was removed from its list", false};
  }
  if (!X86PageTable::canonical(address, paging_levels)) return {"not a canonical address", false};
  if (static_cast<std::int64_t>(value) > 0) return {"a user address, or a number", false};
  const auto vmalloc = area_base(kernel, "vmalloc_base", kFixedVmalloc);
  const auto pages = area_base(kernel, "vmemmap_base", kFixedPageArray);
  const auto direct = area_base(kernel, "page_offset_base", kFixedDirectMap);
  if (value >= kFixmap) return {"in the fixmap", true};
  if (value >= kKernelImage) return {"in the kernel's image or modules area", true};
  if (value >= kCpuEntryArea && value < kCpuEntryAreaEnd) return {"in the CPU entry area", true};
  if (is_shadow(kernel, paging_levels, value)) return {"in KASAN's shadow memory", true};
  if (pages && value >= *pages && value < kCpuEntryArea) return {"in the array of pages", true};
  if (vmalloc && value >= *vmalloc && (!pages || value < *pages)) {
    return {"in the vmalloc area", true};
  }
  if (direct && value >= *direct && (!vmalloc || value < *vmalloc)) {
    return {"in the direct map", true};
  }
  return {"a kernel address", true};
}

}  // namespace rig::analyzer
