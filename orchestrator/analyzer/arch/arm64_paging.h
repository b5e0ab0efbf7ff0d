// SPDX-License-Identifier: Apache-2.0
// arm64 translation tables of the kernel's half: pages of 4, 16 and 64 KiB, addresses of 36 to 52
// bits, physical ones of up to 52 (FEAT_LPA, FEAT_LPA2).
// Format: Arm ARM, D8 "The AArch64 Virtual Memory System Architecture".
#pragma once

#include "analyzer/arch/address_space.h"
#include "analyzer/core/core.h"
#include "base/error.h"

namespace rig::analyzer {

// How addresses are cut up.
struct Arm64Geometry {
  unsigned page_shift = 12;  // 12, 14 or 16
  unsigned va_bits = 48;     // that the CPUs translate: 64 - TCR_EL1.T1SZ
  // CONFIG_ARM64_VA_BITS. A kernel built for 52 has its larger top-level table also on a CPU that
  // translates 48.
  unsigned built_va_bits = 48;
  bool lpa2 = false;  // TCR_EL1.DS: bits 8 and 9 of a descriptor are address bits 50 and 51

  unsigned levels() const;
};

class Arm64PageTable final : public PageTable {
 public:
  Arm64PageTable(const PhysMemory& memory, PhysAddr root, const Arm64Geometry& geometry)
      : memory_(memory), root_(root), geometry_(geometry) {}

  // The tag in bits 63 to 56 is ignored, as the CPU does with KASAN's tags (TCR_EL1.TBI1).
  Read<Mapping> walk(VirtAddr address) const override;
  PageWalk describe(VirtAddr address) const override;

 private:
  // `steps`: where the entries on the way go, or null.
  Read<Mapping> walk(VirtAddr address, std::vector<PageTableStep>* steps) const;
  PhysAddr target(std::uint64_t descriptor) const;
  bool may_be_block(unsigned level) const;

  const PhysMemory& memory_;
  PhysAddr root_;
  Arm64Geometry geometry_;
};

// Is it an address of the kernel's half that can be translated, whatever its tag?
bool is_arm64_kernel_address(VirtAddr address, unsigned va_bits);
// What NUMBER(TCR_EL1_T1SZ) says, without it NUMBER(VA_BITS), without either 48.
unsigned arm64_va_bits(const Vmcoreinfo& info);

// The kernel's own page tables, through VMCOREINFO: no note of a dump holds TTBR1 or TCR. Tables
// that do not map themselves are not used: then the kernel's image and linear map are translated by
// arithmetic, with a remark.
Result<KernelSpace> open_arm64_kernel(const PhysMemory& memory, const Vmcoreinfo& info,
                                      const std::vector<CpuNote>& cpus);

}  // namespace rig::analyzer
