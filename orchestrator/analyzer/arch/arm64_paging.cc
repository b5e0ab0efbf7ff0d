// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/arm64_paging.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "analyzer/core/limits.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kValid = 1 << 0;
constexpr std::uint64_t kTable = 1 << 1;  // at the last level: a page
constexpr std::int64_t kMinVaBits = 36, kMaxVaBits = 52;
constexpr unsigned kTagShift = 56;

constexpr std::uint64_t bits(unsigned high, unsigned low) {
  return (~0ull >> (63 - high)) & (~0ull << low);
}

struct DescriptorFlag {
  std::uint64_t bit;
  std::string_view name;
};
// arch/arm64/include/asm/pgtable-hwdef.h and pgtable-prot.h: of a block or a page.
constexpr DescriptorFlag kLeafFlags[] = {
    {1 << 6, "USER"},    {1 << 7, "RDONLY"},    {1 << 10, "AF"},         {1 << 11, "NG"},
    {1ull << 50, "GP"},  {1ull << 51, "DBM"},   {1ull << 52, "CONT"},    {1ull << 53, "PXN"},
    {1ull << 54, "UXN"}, {1ull << 55, "DIRTY"}, {1ull << 56, "SPECIAL"},
};
// Of a table: what holds for all below it.
constexpr DescriptorFlag kTableFlags[] = {
    {1ull << 59, "PXNTABLE"},
    {1ull << 60, "UXNTABLE"},
    {1ull << 62, "RDONLYTABLE"},
};

// As the kernel names them: folded levels are those next to the PGD.
std::string level_name(unsigned level, unsigned levels) {
  constexpr std::string_view kNames[] = {"PTE", "PMD", "PUD", "P4D", "PGD"};
  return std::string(level == levels ? "PGD" : kNames[level - 1]);
}

PageTableStep describe_entry(unsigned level, const Arm64Geometry& geometry, PhysAddr at,
                             const Read<std::uint64_t>& entry) {
  PageTableStep step{level_name(level, geometry.levels()), at, {}, {}};
  if (!entry) return step;
  step.entry = *entry;
  if ((*entry & kValid) == 0) return step;
  const bool table = level != 1 && (*entry & kTable) != 0;
  step.flags = table ? "TABLE" : level == 1 ? "PAGE" : "BLOCK";
  const auto add = [&](std::span<const DescriptorFlag> flags) {
    for (const DescriptorFlag& flag : flags) {
      // With FEAT_LPA2 bit 50 is one of the address.
      if (geometry.lpa2 && flag.bit >> 50 == 1) continue;
      if ((*entry & flag.bit) != 0) step.flags += " " + std::string(flag.name);
    }
  };
  if (table) {
    add(kTableFlags);
  } else {
    add(kLeafFlags);
  }
  return step;
}

// The two areas whose translation is arithmetic: the kernel's image (kimage_voffset) and the linear
// map. Documentation/arm64/memory.rst.
class ImageAndLinearMap final : public PageTable {
 public:
  ImageAndLinearMap(std::uint64_t image_offset, VirtAddr image, VirtAddr linear_map,
                    std::uint64_t linear_size, PhysAddr ram)
      : image_offset_(image_offset),
        image_(image),
        linear_map_(linear_map),
        linear_size_(linear_size),
        ram_(ram) {}

  Read<Mapping> walk(VirtAddr address) const override {
    const VirtAddr page{align_down(raw(address), kPage)};
    if (address - linear_map_ < linear_size_) {
      return Mapping{page, kPage, ram_ + (page - linear_map_)};
    }
    if (address - image_ < kMaxImage) {
      return Mapping{page, kPage, PhysAddr{raw(page) - image_offset_}};
    }
    return tl::unexpected(ReadFault{Absence::kUnmapped, raw(address)});
  }

 private:
  static constexpr std::uint64_t kPage = 4096;

  std::uint64_t image_offset_;
  VirtAddr image_;
  VirtAddr linear_map_;
  std::uint64_t linear_size_;
  PhysAddr ram_;
};

// What VMCOREINFO says of the kernel's address space.
struct Declared {
  unsigned built_va_bits = 0;
  unsigned page_shift = 0;
  std::uint64_t image_offset = 0;  // virtual less physical
  VirtAddr swapper{};
  VirtAddr text{};
};

Result<Declared> declared(const Vmcoreinfo& info) {
  const auto va_bits = info.number("VA_BITS");
  const auto image_offset = info.number("kimage_voffset");
  const auto swapper = info.symbol("swapper_pg_dir");
  if (!va_bits || !image_offset || !swapper) {
    return fail(Blame::kInput, "VMCOREINFO has no {}: the kernel's page tables cannot be found",
                !va_bits        ? "NUMBER(VA_BITS)"
                : !image_offset ? "NUMBER(kimage_voffset)"
                                : "SYMBOL(swapper_pg_dir)");
  }
  if (*va_bits < kMinVaBits || *va_bits > kMaxVaBits) {
    return fail(Blame::kInput, "VMCOREINFO: NUMBER(VA_BITS) is {}, no arm64 kernel has that",
                *va_bits);
  }
  Declared found;
  found.built_va_bits = static_cast<unsigned>(*va_bits);
  found.image_offset = static_cast<std::uint64_t>(*image_offset);
  found.swapper = *swapper;
  found.text = info.symbol("_stext").value_or(*swapper);
  std::uint64_t page = 4096;
  if (const auto text = info.value("PAGESIZE")) {
    std::from_chars(text->data(), text->data() + text->size(), page);
  }
  for (const unsigned shift : {12u, 14u, 16u}) {
    if (page == 1ull << shift) found.page_shift = shift;
  }
  if (found.page_shift == 0) {
    return fail(Blame::kInput, "VMCOREINFO: PAGESIZE is {}, no arm64 kernel has that", page);
  }
  return found;
}

// The geometries that the kernel may have, the likeliest first; only one maps the kernel.
std::vector<Arm64Geometry> geometries(const Vmcoreinfo& info, const Declared& kernel) {
  std::vector<unsigned> sizes = {arm64_va_bits(info)};
  if (!info.number("TCR_EL1_T1SZ") && kernel.built_va_bits == kMaxVaBits) {
    sizes.push_back(kernel.page_shift == 14 ? 47 : 48);  // a CPU without 52 bits
  }
  std::vector<Arm64Geometry> all;
  for (const unsigned va_bits : sizes) {
    Arm64Geometry each{kernel.page_shift, va_bits, std::max(kernel.built_va_bits, va_bits), false};
    // With small pages the CPU has 52 bits only through FEAT_LPA2.
    if (va_bits > 48 && kernel.page_shift < 16) {
      each.lpa2 = true;
      all.push_back(each);
      each.lpa2 = false;
    }
    all.push_back(each);
  }
  return all;
}

std::optional<KernelSpace> arithmetic_space(const PhysMemory& memory, const Vmcoreinfo& info,
                                            const Declared& kernel) {
  const auto ram = info.number("PHYS_OFFSET");
  if (!ram) return std::nullopt;
  auto table = std::make_unique<ImageAndLinearMap>(
      kernel.image_offset, VirtAddr{align_down(raw(kernel.text), 2 << 20)},
      VirtAddr{~0ull << kernel.built_va_bits}, 1ull << (kernel.built_va_bits - 1),
      PhysAddr{static_cast<std::uint64_t>(*ram)});
  return KernelSpace{std::make_unique<AddressSpace>(memory, std::move(table)), 0, {}};
}

}  // namespace

unsigned Arm64Geometry::levels() const {
  const unsigned per_level = page_shift - 3;
  return (va_bits - page_shift + per_level - 1) / per_level;
}

PhysAddr Arm64PageTable::target(std::uint64_t descriptor) const {
  const unsigned shift = geometry_.page_shift;
  if (geometry_.lpa2) {
    return PhysAddr{(descriptor & bits(49, shift)) | (descriptor & bits(9, 8)) << 42};
  }
  std::uint64_t address = descriptor & bits(47, shift);
  // FEAT_LPA. Without it these bits are zero.
  if (shift == 16) address |= (descriptor & bits(15, 12)) << 36;
  return PhysAddr{address};
}

// `level` counts from 1, the level of pages, upwards.
bool Arm64PageTable::may_be_block(unsigned level) const {
  if (level == 2) return true;
  if (level == 3) return geometry_.page_shift != 14 || geometry_.lpa2;
  return level == 4 && geometry_.page_shift == 12 && geometry_.lpa2;
}

Read<Mapping> Arm64PageTable::walk(VirtAddr address) const {
  return walk(address, nullptr);
}

PageWalk Arm64PageTable::describe(VirtAddr address) const {
  PageWalk walked;
  walked.result = walk(address, &walked.steps);
  return walked;
}

Read<Mapping> Arm64PageTable::walk(VirtAddr address, std::vector<PageTableStep>* steps) const {
  const auto unmapped = tl::unexpected(ReadFault{Absence::kUnmapped, raw(address)});
  if (!is_arm64_kernel_address(address, geometry_.va_bits)) return unmapped;
  const std::uint64_t untagged = raw(address) | bits(63, kTagShift);
  const unsigned per_level = geometry_.page_shift - 3;
  PhysAddr table = root_;
  for (unsigned level = geometry_.levels(); level >= 1; --level) {
    const unsigned shift = geometry_.page_shift + (level - 1) * per_level;
    const bool top = level == geometry_.levels();
    const unsigned width = top ? std::min(per_level, geometry_.built_va_bits - shift) : per_level;
    const std::uint64_t index = untagged >> shift & ((1ull << width) - 1);
    const PhysAddr at = table + index * sizeof(std::uint64_t);
    const auto entry = memory_.load<std::uint64_t>(at);
    if (steps) steps->push_back(describe_entry(level, geometry_, at, entry));
    // The page table itself is missing: `address` cannot be had, for the reason that it cannot.
    if (!entry) return tl::unexpected(ReadFault{entry.error().why, raw(address)});
    if ((*entry & kValid) == 0) return unmapped;
    const bool further = (*entry & kTable) != 0;
    if (level == 1 ? !further : !further && !may_be_block(level)) return unmapped;
    if (level == 1 || !further) {
      const std::uint64_t size = 1ull << shift;
      return Mapping{VirtAddr{align_down(raw(address), size)}, size,
                     PhysAddr{align_down(raw(target(*entry)), size)}};
    }
    table = target(*entry);
  }
  return unmapped;
}

bool is_arm64_kernel_address(VirtAddr address, unsigned va_bits) {
  const std::uint64_t must = bits(kTagShift - 1, std::min(va_bits, kTagShift - 1));
  return (raw(address) & must) == must;
}

unsigned arm64_va_bits(const Vmcoreinfo& info) {
  const auto unused = info.number("TCR_EL1_T1SZ");
  if (unused && *unused >= 64 - kMaxVaBits && *unused <= 64 - kMinVaBits) {
    return static_cast<unsigned>(64 - *unused);
  }
  const auto built = info.number("VA_BITS").value_or(48);
  return built >= kMinVaBits && built <= kMaxVaBits ? static_cast<unsigned>(built) : 48;
}

Result<KernelSpace> open_arm64_kernel(const PhysMemory& memory, const Vmcoreinfo& info,
                                      const std::vector<CpuNote>&) {
  RIG_ASSIGN(const Declared kernel, declared(info));
  const auto physical = [&](VirtAddr address) {
    return PhysAddr{raw(address) - kernel.image_offset};
  };
  const PhysAddr root = physical(kernel.swapper);
  std::string why;
  for (const Arm64Geometry& each : geometries(info, kernel)) {
    auto table = std::make_unique<Arm64PageTable>(memory, root, each);
    auto space = std::make_unique<AddressSpace>(memory, std::move(table));
    // The tables must map themselves, and the code, to where we found them: proof of all numbers.
    const auto back = space->translate(kernel.swapper);
    if (back == root && space->translate(kernel.text) == physical(kernel.text)) {
      return KernelSpace{std::move(space), each.levels(), {}};
    }
    if (!why.empty()) continue;
    why = back ? fmt::format("say that they are at {}", *back)
               : fmt::format("do not map the kernel: {}", to_string(back.error().why));
  }
  auto space = arithmetic_space(memory, info, kernel);
  if (!space) return fail(Blame::kInput, "the page tables at {} {}", root, why);
  space->remarks.push_back(
      fmt::format("the page tables at {} {}: only the kernel's image and linear map are "
                  "translated, not stacks, modules and other mapped memory",
                  root, why));
  return std::move(*space);
}

}  // namespace rig::analyzer
