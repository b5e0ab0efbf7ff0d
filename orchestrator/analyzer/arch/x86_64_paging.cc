// SPDX-License-Identifier: Apache-2.0
#include "analyzer/arch/x86_64_paging.h"

#include "analyzer/arch/x86_64_registers.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kPresent = 1;
constexpr std::uint64_t kLargePage = 1 << 7;
constexpr std::uint64_t kAddressBits = 0x000f'ffff'ffff'f000;
constexpr unsigned kBitsPerLevel = 9;
constexpr unsigned kPageShift = 12;
// arch/x86/include/asm/page_64_types.h: where the kernel's image is linked.
constexpr std::uint64_t kStartKernelMap = 0xffff'ffff'8000'0000;
constexpr std::uint64_t kCr4La57 = 1 << 12;
// With page table isolation this bit of CR3 selects the user's half of a pair of roots; without, it
// is one of the root's address. Nothing says which it is.
constexpr std::uint64_t kCr3UserHalf = 1 << 12;

struct EntryFlag {
  std::uint64_t bit;
  std::string_view name;
};
// arch/x86/include/asm/pgtable_types.h. Bit 7 is PSE above the last level and PAT there.
constexpr EntryFlag kFlags[] = {
    {1 << 0, "PRESENT"},   {1 << 1, "RW"},       {1 << 2, "USER"},    {1 << 3, "PWT"},
    {1 << 4, "PCD"},       {1 << 5, "ACCESSED"}, {1 << 6, "DIRTY"},   {1 << 8, "GLOBAL"},
    {1ull << 9, "SOFTW1"}, {1 << 10, "SOFTW2"},  {1 << 11, "SOFTW3"}, {1ull << 58, "SOFTW4"},
    {1ull << 63, "NX"},
};

PageTableStep describe_entry(unsigned level, unsigned levels, PhysAddr at,
                             const Read<std::uint64_t>& entry) {
  // With four levels the kernel's P4D is folded into the PGD.
  constexpr std::string_view kNames[] = {"PTE", "PMD", "PUD", "P4D", "PGD"};
  PageTableStep step{std::string(level == levels ? "PGD" : kNames[level - 1]), at, {}, {}};
  if (!entry) return step;
  step.entry = *entry;
  for (const EntryFlag& flag : kFlags) {
    // Of an entry that is not present the other bits are a swap slot or nothing.
    if ((*entry & flag.bit) == 0 || (*entry & kPresent) == 0) continue;
    step.flags += (step.flags.empty() ? "" : " ") + std::string(flag.name);
  }
  if ((*entry & kPresent) != 0 && (*entry & kLargePage) != 0)
    step.flags += level == 1 ? " PAT" : " PSE";
  return step;
}

// Do the tables that a vCPU used map the kernel as the kernel's own do? With page table isolation a
// CPU in user mode has tables without the kernel: those say nothing.
bool contradicts(const PhysMemory& memory, const CpuNote& note, unsigned levels,
                 std::uint64_t encryption_mask, VirtAddr text, PhysAddr expected) {
  const auto state = decode_x86_64_cpu(note);
  if (!state || !state->page_table_root || state->user_mode) return false;
  if (state->cr4 && ((*state->cr4 & kCr4La57) != 0) != (levels == 5)) return true;
  const std::uint64_t cr3 = raw(*state->page_table_root) & ~encryption_mask;
  bool otherwise = false;
  for (const std::uint64_t root : {cr3, cr3 & ~kCr3UserHalf}) {
    const X86PageTable table(memory, PhysAddr{root}, levels, encryption_mask);
    const auto leaf = table.walk(text);
    if (leaf && leaf->to + (text - leaf->begin) == expected) return false;
    otherwise |= leaf.has_value();
  }
  return otherwise;
}

}  // namespace

bool X86PageTable::canonical(VirtAddr address, unsigned levels) {
  const unsigned unused = 64 - (kPageShift + levels * kBitsPerLevel);
  const auto value = static_cast<std::int64_t>(raw(address) << unused) >> unused;
  return static_cast<std::uint64_t>(value) == raw(address);
}

Read<Mapping> X86PageTable::walk(VirtAddr address) const {
  return walk(address, nullptr);
}

PageWalk X86PageTable::describe(VirtAddr address) const {
  PageWalk walked;
  walked.result = walk(address, &walked.steps);
  return walked;
}

Read<Mapping> X86PageTable::walk(VirtAddr address, std::vector<PageTableStep>* steps) const {
  const auto unmapped = tl::unexpected(ReadFault{Absence::kUnmapped, raw(address)});
  if (!canonical(address, levels_)) return unmapped;
  PhysAddr table = root_;
  for (unsigned level = levels_; level >= 1; --level) {
    const unsigned shift = kPageShift + (level - 1) * kBitsPerLevel;
    const std::uint64_t index = raw(address) >> shift & ((1u << kBitsPerLevel) - 1);
    const PhysAddr at = table + index * sizeof(std::uint64_t);
    const auto entry = memory_.load<std::uint64_t>(at);
    if (steps) steps->push_back(describe_entry(level, levels_, at, entry));
    // The page table itself is missing: `address` cannot be had, for the reason that it cannot.
    if (!entry) return tl::unexpected(ReadFault{entry.error().why, raw(address)});
    if ((*entry & kPresent) == 0) return unmapped;
    const std::uint64_t target = *entry & kAddressBits & ~encryption_mask_;
    const bool large = (level == 2 || level == 3) && (*entry & kLargePage) != 0;
    if (level == 1 || large) {
      const std::uint64_t size = 1ull << shift;
      // Bit 12 of a large page's entry is PAT, not an address bit.
      return Mapping{VirtAddr{align_down(raw(address), size)}, size,
                     PhysAddr{align_down(target, size)}};
    }
    table = PhysAddr{target};
  }
  return unmapped;
}

Result<KernelSpace> open_x86_64_kernel(const PhysMemory& memory, const Vmcoreinfo& info,
                                       const std::vector<CpuNote>& cpus) {
  const auto root = info.symbol("swapper_pg_dir");
  const auto phys_base = info.number("phys_base");
  if (!root || !phys_base) {
    return fail(Blame::kInput, "VMCOREINFO has no {}: the kernel's page tables cannot be found",
                root ? "NUMBER(phys_base)" : "SYMBOL(swapper_pg_dir)");
  }
  // Chosen at boot since v4.17; a kernel that does not say has four.
  const unsigned levels = info.number("pgtable_l5_enabled").value_or(0) != 0 ? 5 : 4;
  const auto encryption_mask = static_cast<std::uint64_t>(info.number("sme_mask").value_or(0));
  const auto to_physical = [&](VirtAddr address) {
    return PhysAddr{raw(address) - kStartKernelMap + static_cast<std::uint64_t>(*phys_base)};
  };

  const PhysAddr root_at = to_physical(*root);
  auto table = std::make_unique<X86PageTable>(memory, root_at, levels, encryption_mask);
  KernelSpace space{std::make_unique<AddressSpace>(memory, std::move(table)), levels, {}};
  // The tables must map themselves to where we found them: proof that root and levels are right.
  const auto back = space.memory->translate(*root);
  if (!back) {
    return fail(Blame::kInput, "the page tables at {} do not map the kernel: {}", root_at,
                to_string(back.error().why));
  }
  if (*back != root_at) {
    return fail(Blame::kInput, "the page tables at {} say that they are at {}", root_at, *back);
  }
  const VirtAddr text = info.symbol("_stext").value_or(*root);
  const auto text_at = space.memory->translate(text);
  for (const CpuNote& cpu : cpus) {
    if (text_at && contradicts(memory, cpu, levels, encryption_mask, text, *text_at)) {
      space.remarks.push_back(fmt::format(
          "vCPU {}: its CR3 does not map the kernel as VMCOREINFO says it is mapped", cpu.index));
    }
  }
  return space;
}

}  // namespace rig::analyzer
