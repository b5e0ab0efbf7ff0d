// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/arm64_kernel.h"

#include <bit>

#include "analyzer/arch/arm64_paging.h"
#include "analyzer/arch/kernel_config.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kStackSize = 16 << 10;  // THREAD_SIZE without KASAN, where no type tells
constexpr std::uint64_t kOverflowStack = 4096;  // OVERFLOW_STACK_SIZE
constexpr unsigned kMaxStructPage = 256;

std::optional<VirtAddr> per_cpu_address(const Kernel& kernel, unsigned cpu,
                                        std::string_view variable) {
  const auto at = kernel.per_cpu(cpu, variable);
  if (!at) return std::nullopt;
  const auto value = kernel.memory().load<std::uint64_t>(*at);
  if (!value || (*value >> 55 & 1) == 0) return std::nullopt;
  return VirtAddr{*value};
}

// Does the task say that it runs on that CPU? Where it does not say, it is believed.
bool is_on(const Kernel& kernel, VirtAddr task, unsigned cpu) {
  auto own = kernel.field(task, "task_struct.thread_info.cpu");
  if (!own) own = kernel.field(task, "task_struct.cpu");
  return !own || *own == cpu;
}

std::uint64_t stack_size(const Kernel& kernel, std::uint64_t page_size) {
  return task_stack_size(kernel, std::max(kStackSize, page_size));
}

// KASAN_SHADOW_START and _END for generic KASAN (arch/arm64/include/asm/memory.h, Kconfig): an
// eighth of the kernel's half, up to its middle.
bool is_shadow(const Kernel& kernel, VirtAddr address) {
  const auto built = kernel.info().number("VA_BITS").value_or(0);
  if (built < 36 || built > 52) return false;
  const auto bits = std::min<std::int64_t>(built, 48);
  const VirtAddr end{~0ull << (bits - 1)};
  return address < end && end - address <= 1ull << (bits - 3) && has_generic_kasan(kernel);
}

std::uint64_t page_size_of(const Vmcoreinfo& info) {
  const auto text = info.value("PAGESIZE");
  for (const auto& [name, size] : {std::pair("16384", 16384), std::pair("65536", 65536)}) {
    if (text == name) return size;
  }
  return 4096;
}

// The linear map begins at the bottom of the kernel's half, before 14c127c957c1 (v5.4) in its
// middle. The page tables say which: they map the page that we know in both ways.
std::optional<VirtAddr> find_linear_map(const Kernel& kernel, PhysAddr known, std::uint64_t ram) {
  const auto built = kernel.info().number("VA_BITS").value_or(48);
  if (built < 36 || built > 52) return std::nullopt;
  for (const auto bits : {built, built - 1}) {
    const VirtAddr begin{~0ull << bits};
    if (kernel.memory().translate(begin + (raw(known) - ram)) == known) return begin;
  }
  return std::nullopt;
}

// A page of the kernel's image is reserved, and nobody ever lets go of it.
bool is_page_of_the_image(const Kernel& kernel, VirtAddr page) {
  const Vmcoreinfo& info = kernel.info();
  const auto count = info.offset("page._refcount");
  const auto references =
      count ? kernel.memory().load<std::uint32_t>(page + *count) : Read<std::uint32_t>(0);
  if (references != 1u) return false;
  const auto reserved =
      kernel.types() ? kernel.types()->enumerator("pageflags", "PG_reserved") : std::nullopt;
  if (!reserved || *reserved < 0 || *reserved >= 64) return true;
  const auto flags =
      kernel.memory().load<std::uint64_t>(page + info.offset("page.flags").value_or(0));
  return flags && (*flags >> *reserved & 1) != 0;
}

struct Vmemmap {
  VirtAddr begin{};  // the struct page of the first page of RAM
  std::uint64_t struct_page = 0;
};

// VMEMMAP_START, arch/arm64/include/asm/memory.h: in VMCOREINFO, or computed as one kernel or the
// other does. The first whose struct page of a page of the image makes sense.
std::optional<Vmemmap> find_vmemmap(const Kernel& kernel, PhysAddr known, std::uint64_t ram,
                                    std::uint64_t page_size) {
  const Vmcoreinfo& info = kernel.info();
  const auto struct_page = info.size("page");
  const auto built = info.number("VA_BITS").value_or(48);
  if (!struct_page || *struct_page == 0 || *struct_page > kMaxStructPage) return std::nullopt;
  if (built < 36 || built > 52) return std::nullopt;
  const unsigned page_shift = static_cast<unsigned>(std::countr_zero(page_size));
  const unsigned shift =
      page_shift - static_cast<unsigned>(std::countr_zero(std::bit_ceil(*struct_page)));
  const auto least = built > 48 ? (page_shift == 14 ? 47 : 48) : built;
  // The linear map takes all of the kernel's half but its upper part.
  const std::uint64_t linear = (1ull << built) - (1ull << (least - 1));

  std::vector<std::uint64_t> candidates;
  if (const auto said = info.number("VMEMMAP_START")) {
    candidates.push_back(static_cast<std::uint64_t>(*said));
  }
  candidates.push_back(0 - (1ull << (built - shift)));  // since 8c96400d6a39 (v5.11)
  // Since v6.9; v5.4 to v5.10; before.
  candidates.push_back(0 - (1ull << 30) - (linear >> page_shift) * *struct_page);
  candidates.push_back(0 - (2ull << 20) - (linear >> shift));
  candidates.push_back(0 - (1ull << (built - 1)) - (1ull << (built - 1 - shift)));
  const auto index = (raw(known) - ram) / page_size;
  for (const std::uint64_t begin : candidates) {
    if (is_page_of_the_image(kernel, VirtAddr{begin + index * *struct_page})) {
      return Vmemmap{VirtAddr{begin}, *struct_page};
    }
  }
  return std::nullopt;
}

// The stack around `sp`, where the page below it is a guard. The first task's has none: it is part
// of the kernel's image.
std::optional<StackRange> aligned_stack(const Kernel& kernel, VirtAddr sp, std::uint64_t size) {
  if ((raw(sp) >> 55 & 1) == 0 || !std::has_single_bit(size)) return std::nullopt;
  // An empty stack's pointer is already behind it.
  const VirtAddr begin{align_down(raw(sp - 1), 2 * size)};
  const StackRange stack{fmt::format("stack at {}", begin), begin, size};
  if (!stack.contains(sp - 1) || !kernel.memory().translate(begin)) return std::nullopt;
  const auto offset = kernel.info().number("kimage_voffset");
  const auto physical = kernel.memory().translate(begin);
  const bool in_image =
      offset && physical && raw(*physical) + static_cast<std::uint64_t>(*offset) == raw(begin);
  if (!in_image && kernel.memory().translate(begin - 1)) return std::nullopt;
  return stack;
}

// The image is mapped as one piece, and its pages nowhere else in the kernel's upper areas.
bool is_image(const Kernel& kernel, VirtAddr address) {
  const auto offset = kernel.info().number("kimage_voffset");
  const auto physical =
      offset ? kernel.memory().translate(address) : Read<PhysAddr>(PhysAddr{~0ull});
  return physical &&
         raw(*physical) + static_cast<std::uint64_t>(offset.value_or(0)) == raw(address);
}

bool lies_in(const Vmcoreinfo& info, VirtAddr address, std::string_view begin,
             std::string_view end) {
  const auto from = info.number(begin);
  const auto to = info.number(end);
  return from && to && raw(address) >= static_cast<std::uint64_t>(*from) &&
         raw(address) < static_cast<std::uint64_t>(*to);
}

}  // namespace

std::optional<VirtAddr> arm64_current_task(const Kernel& kernel, unsigned cpu) {
  // What the entry code from user mode loads into SP_EL0 (c02433dd6de3, v4.10).
  const auto entry = per_cpu_address(kernel, cpu, "__entry_task");
  if (entry && is_on(kernel, *entry, cpu)) return entry;
  const auto queue = kernel.per_cpu(cpu, "runqueues");
  const auto current = queue ? kernel.field(*queue, "rq.curr") : std::nullopt;
  if (current && *current != 0 && is_on(kernel, VirtAddr{*current}, cpu)) {
    return VirtAddr{*current};
  }
  return std::nullopt;
}

std::vector<StackRange> arm64_cpu_stacks(const Kernel& kernel, unsigned cpu) {
  std::vector<StackRange> stacks;
  const std::uint64_t size = stack_size(kernel, page_size_of(kernel.info()));
  const auto add = [&](std::string_view name, std::optional<VirtAddr> begin, std::uint64_t bytes) {
    if (begin) stacks.push_back({fmt::format("{} stack of CPU {}", name, cpu), *begin, bytes});
  };
  // arch/arm64/kernel/irq.c, traps.c and sdei.c.
  add("IRQ", per_cpu_address(kernel, cpu, "irq_stack_ptr"), size);
  add("overflow", kernel.per_cpu(cpu, "overflow_stack"), kOverflowStack);
  add("SDEI", per_cpu_address(kernel, cpu, "sdei_stack_normal_ptr"), size);
  add("critical SDEI", per_cpu_address(kernel, cpu, "sdei_stack_critical_ptr"), size);
  return stacks;
}

std::vector<StackRange> arm64_stacks_around(const Kernel& kernel, VirtAddr sp) {
  const std::uint64_t size = stack_size(kernel, page_size_of(kernel.info()));
  const auto inner = aligned_stack(kernel, sp, size);
  if (!inner) return {};
  // call_on_irq_stack() leaves its x29 on the stack that it came from, and its callee's record,
  // which points there, at the top of the IRQ stack or a little below.
  constexpr std::uint64_t kMaxFirstFrame = 256;
  const VirtAddr from = inner->end() - kMaxFirstFrame;
  const auto top = kernel.memory().read_up_to(from, kMaxFirstFrame);
  for (std::uint64_t at = 0; at + 16 <= top.size(); at += 16) {
    const VirtAddr fp{load<std::uint64_t>(top, at).value_or(0)};
    const VirtAddr lr{load<std::uint64_t>(top, at + 8).value_or(0)};
    if (inner->contains(fp)) continue;
    const auto caller = kernel.code(without_pac(kernel.info(), lr) - 1);
    if (!caller || caller->function != "call_on_irq_stack") continue;
    if (auto outer = aligned_stack(kernel, fp, size)) return {*std::move(outer), *inner};
  }
  return {*inner};
}

KernelLayout arm64_layout(const Kernel& kernel) {
  KernelLayout layout;
  const Vmcoreinfo& info = kernel.info();
  layout.page_size = page_size_of(info);
  // memstart_addr; negative where the linear map of a kernel for 52 bits is used with 48.
  const auto start = info.number("PHYS_OFFSET");
  const auto swapper = info.symbol("swapper_pg_dir");
  if (!start || !swapper) return layout;
  const auto ram = static_cast<std::uint64_t>(*start);
  const auto known = kernel.memory().translate(*swapper);
  if (!known) return layout;
  if (const auto begin = find_linear_map(kernel, *known, ram)) layout.direct_map = *begin - ram;
  if (const auto array = find_vmemmap(kernel, *known, ram, layout.page_size)) {
    const auto pages = static_cast<std::int64_t>(ram) / static_cast<std::int64_t>(layout.page_size);
    layout.page_array = array->begin - static_cast<std::uint64_t>(pages) * array->struct_page;
  }
  return layout;
}

Region arm64_region(const Kernel& kernel, unsigned, VirtAddr address) {
  if (raw(address) < 4096) return {"in the NULL page", false};
  // include/linux/poison.h, with CONFIG_ILLEGAL_POINTER_VALUE.
  if (raw(address) == 0xdead'0000'0000'0100 || raw(address) == 0xdead'0000'0000'0122) {
    return {"a list poison: the entry was removed from its list", false};
  }
  // Bit 55 chooses between the two halves, whatever the tag or PAC bits above it hold.
  if ((raw(address) >> 55 & 1) == 0) return {"a user address, or a number", false};
  const Vmcoreinfo& info = kernel.info();
  const VirtAddr plain = without_pac(info, address);
  if (!is_arm64_kernel_address(plain, arm64_va_bits(info))) {
    return {"not a canonical address", false};
  }
  const VirtAddr untagged{raw(plain) | 0xffull << 56};
  const auto text = kernel.symbol("_stext");
  // Without CONFIG_KALLSYMS_ALL no symbol says where the data end.
  const auto end = kernel.symbol("_end");
  if (end ? text && untagged >= *text && untagged < *end : is_image(kernel, untagged)) {
    return {"in the kernel's image", true};
  }
  if (lies_in(info, untagged, "MODULES_VADDR", "MODULES_END")) {
    return {"in the modules area", true};
  }
  if (lies_in(info, untagged, "VMALLOC_START", "VMALLOC_END")) {
    return {"in the vmalloc area", true};
  }
  if (lies_in(info, untagged, "VMEMMAP_START", "VMEMMAP_END")) {
    return {"in the array of pages", true};
  }
  if (is_shadow(kernel, untagged)) return {"in KASAN's shadow memory", true};
  const auto built = info.number("VA_BITS");
  if (info.number("MODULES_VADDR") && built && *built >= 36 && *built <= 52 &&
      untagged < VirtAddr{~0ull << (std::min<std::int64_t>(*built, 48) - 1)}) {
    return {"in the linear map", true};
  }
  return {"a kernel address", true};
}

VirtAddr without_pac(const Vmcoreinfo& info, VirtAddr address) {
  const auto mask = info.number("KERNELPACMASK");
  if (!mask || (raw(address) >> 55 & 1) == 0) return address;
  return VirtAddr{raw(address) | static_cast<std::uint64_t>(*mask)};
}

}  // namespace rig::analyzer
