// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/arm64.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPrstatusRegisters = 112;
constexpr unsigned kGeneralRegisters = 31;
constexpr std::uint64_t kModeMask = 0xf;  // PSTATE.M: 0 is EL0

// The two areas whose translation is arithmetic: the kernel's image (kimage_voffset) and, below
// it, the linear map. Documentation/arm64/memory.rst.
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
  static constexpr std::uint64_t kMaxImage = 256 << 20;

  std::uint64_t image_offset_;
  VirtAddr image_;
  VirtAddr linear_map_;
  std::uint64_t linear_size_;
  PhysAddr ram_;
};

}  // namespace

Result<KernelSpace> open_arm64_kernel(const PhysMemory& memory, const Vmcoreinfo& info,
                                      const std::vector<CpuNote>&) {
  const auto bits = info.number("VA_BITS");
  const auto image_offset = info.number("kimage_voffset");
  const auto ram = info.number("PHYS_OFFSET");
  const auto text = info.symbol("_stext");
  if (!bits || *bits < 36 || *bits > 52 || !image_offset || !ram || !text) {
    return fail(Blame::kInput,
                "VMCOREINFO has no NUMBER(VA_BITS), NUMBER(kimage_voffset), NUMBER(PHYS_OFFSET) or "
                "SYMBOL(_stext): the kernel's memory cannot be found");
  }
  const auto size = 1ull << (*bits - 1);
  auto table = std::make_unique<ImageAndLinearMap>(
      static_cast<std::uint64_t>(*image_offset), VirtAddr{align_down(raw(*text), 2 << 20)},
      VirtAddr{~0ull << *bits}, size, PhysAddr{static_cast<std::uint64_t>(*ram)});
  KernelSpace space{std::make_unique<AddressSpace>(memory, std::move(table)), 0, {}};
  space.remarks.push_back(
      "arm64: only the kernel's image and linear map are translated so far: the log and the CPUs' "
      "registers are read, but not stacks, tasks or slab objects");
  return space;
}

std::optional<CpuState> decode_arm64_cpu(const CpuNote& note) {
  // struct elf_prstatus: x0 to x30, sp, pc, pstate (struct user_pt_regs).
  const auto area = slice(note.prstatus, kPrstatusRegisters, (kGeneralRegisters + 3) * 8);
  if (!area) return std::nullopt;
  const auto word = [&](unsigned index) {
    return load<std::uint64_t>(*area, index * 8).value_or(0);
  };
  CpuState state;
  state.sp = VirtAddr{word(kGeneralRegisters)};
  state.pc = VirtAddr{word(kGeneralRegisters + 1)};
  const auto pstate = word(kGeneralRegisters + 2);
  state.user_mode = (pstate & kModeMask) == 0;
  state.registers = {{"pc", raw(state.pc)}, {"sp", raw(state.sp)}, {"pstate", pstate}};
  for (unsigned i = 0; i < kGeneralRegisters; ++i) {
    state.registers.push_back({fmt::format("x{}", i), word(i)});
  }
  return state;
}

std::optional<SavedFrame> decode_arm64_frame(ByteView, VirtAddr) {
  return std::nullopt;
}

std::optional<VirtAddr> arm64_current_task(const Kernel&, unsigned) {
  return std::nullopt;
}

std::vector<StackRange> arm64_cpu_stacks(const Kernel&, unsigned) {
  return {};
}

KernelLayout arm64_layout(const Kernel&) {
  return {};
}

Region arm64_region(const Kernel&, unsigned, VirtAddr address) {
  if (raw(address) < kPage) return {"in the NULL page", false};
  // Bit 55 chooses between the two halves, whatever the tag or PAC bits above it hold.
  if ((raw(address) >> 55 & 1) == 0) return {"a user address", false};
  return {"a kernel address", true};
}

}  // namespace rig::analyzer
