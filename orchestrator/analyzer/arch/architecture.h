// SPDX-License-Identifier: Apache-2.0
// Everything that differs between architectures, as one table.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/arch/address_space.h"
#include "analyzer/arch/registers.h"
#include "analyzer/arch/unwind.h"
#include "analyzer/core/core.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

struct StackRange {
  std::string name;  // "IRQ stack of CPU 1", "stack of task 42 (kworker/0:1)"
  VirtAddr begin{};
  std::uint64_t size = 0;

  bool contains(VirtAddr address) const { return address - begin < size; }
  VirtAddr end() const { return begin + size; }
};

// Where the kernel put its large areas. What could not be established is absent.
struct KernelLayout {
  std::uint64_t page_size = 4096;
  std::optional<VirtAddr> direct_map;  // where physical address 0 is mapped
  std::optional<VirtAddr> page_array;  // the struct page of physical address 0
};

// What an address can be by its number alone.
struct Region {
  std::string words;          // "a user address", "in the vmalloc area"
  bool worth_asking = false;  // can it be looked up further?
};

struct Architecture {
  Arch arch;
  unsigned task_stack_size;  // where the types do not tell

  // The kernel's page tables. Blame::kInput, with what is missing, when there is no way to them.
  Result<KernelSpace> (*open_kernel)(const PhysMemory&, const Vmcoreinfo&,
                                     const std::vector<CpuNote>&);
  std::optional<CpuState> (*decode_cpu)(const CpuNote&);

  // struct pt_regs: how much of it is needed, and a test whether the bytes at `at` are one saved in
  // kernel mode.
  std::uint64_t frame_size;
  std::optional<SavedFrame> (*decode_frame)(ByteView bytes, VirtAddr at);
  // The address to which the call of the entry code that saved the frame at offset `frame` of
  // `stack` (which begins at `begin`) returns. Its function is one of `exception_entries`, by the
  // beginning of its name: otherwise it is no exception's frame.
  std::optional<VirtAddr> (*entry_of)(const Kernel&, ByteView stack, VirtAddr begin,
                                      std::uint64_t frame);
  std::span<const std::string_view> exception_entries;

  std::optional<VirtAddr> (*current_task)(const Kernel&, unsigned cpu);
  // Stacks that belong to a CPU, not to a task: interrupt, NMI, double fault ...
  std::vector<StackRange> (*cpu_stacks)(const Kernel&, unsigned cpu);
  // The stacks that `sp` is on, told by their own form where the kernel's data about them cannot be
  // found: the outermost first. Empty where nothing proves them.
  std::vector<StackRange> (*stacks_around)(const Kernel&, VirtAddr sp);

  // One step up from `at`. `stacks`: those that the walk may be on; nothing outside is read.
  UnwindStep (*unwind)(const Kernel&, std::span<const StackRange> stacks, const UnwindPoint& at);
  // Where a task that runs nowhere was switched away from, from its task_struct.
  std::optional<UnwindPoint> (*sleeping)(const Kernel&, VirtAddr task);

  KernelLayout (*layout)(const Kernel&);
  Region (*region)(const Kernel&, unsigned paging_levels, VirtAddr address);
};

// The row for `arch`. There is one for each enumerator of Arch.
const Architecture& architecture(Arch arch);
std::span<const Architecture> all_architectures();

}  // namespace rig::analyzer
