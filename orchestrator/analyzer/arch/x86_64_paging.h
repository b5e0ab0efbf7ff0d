// SPDX-License-Identifier: Apache-2.0
// x86_64 paging with 4 or 5 levels and pages of 4 KiB, 2 MiB and 1 GiB.
// Format: Intel SDM volume 3, chapter 4 (tables 4-15 to 4-20).
#pragma once

#include "analyzer/arch/address_space.h"
#include "analyzer/core/core.h"
#include "base/error.h"

namespace rig::analyzer {

class X86PageTable final : public PageTable {
 public:
  // `root`: what CR3 points to. `encryption_mask`: SME's bit in entries, 0 without SME.
  X86PageTable(const PhysMemory& memory, PhysAddr root, unsigned levels,
               std::uint64_t encryption_mask = 0)
      : memory_(memory), root_(root), levels_(levels), encryption_mask_(encryption_mask) {}

  Read<Mapping> walk(VirtAddr address) const override;
  PageWalk describe(VirtAddr address) const override;

  // Bits above the translated ones must repeat the highest of them.
  static bool canonical(VirtAddr address, unsigned levels);

 private:
  // `steps`: where the entries on the way go, or null.
  Read<Mapping> walk(VirtAddr address, std::vector<PageTableStep>* steps) const;

  const PhysMemory& memory_;
  PhysAddr root_;
  unsigned levels_;
  std::uint64_t encryption_mask_;
};

// The kernel's own page tables, from what VMCOREINFO says and from nothing else (QEMU's phys_base
// is wrong when negative). The vCPUs' CR3 is compared where the dump has it.
Result<KernelSpace> open_x86_64_kernel(const PhysMemory& memory, const Vmcoreinfo& info,
                                       const std::vector<CpuNote>& cpus);

}  // namespace rig::analyzer
