// SPDX-License-Identifier: Apache-2.0
// Kernel virtual memory: page tables walked over physical memory, with a small cache of
// translations so that bulk reads cost one walk per leaf. Not for use by two threads at once.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/core/virt_memory.h"

namespace rig::analyzer {

// One leaf of a page table: `size` bytes from `begin` on lie at `to`.
struct Mapping {
  VirtAddr begin{};
  std::uint64_t size = 0;
  PhysAddr to{};
};

// One level of a translation, as it is in the tables.
struct PageTableStep {
  std::string level;                   // "PGD", "P4D", "PUD", "PMD", "PTE"
  PhysAddr at{};                       // where the entry lies
  std::optional<std::uint64_t> entry;  // nothing: that part of the table is not in the core
  std::string flags;                   // of the entry, by name: "PRESENT RW DIRTY NX"
};

// The whole translation of one address. `result` as walk() gives it.
struct PageWalk {
  std::vector<PageTableStep> steps;  // from the root on, up to the leaf or to where it ends
  Read<Mapping> result;
};

// How one architecture translates. The implementation knows its root and its levels.
class PageTable {
 public:
  virtual ~PageTable() = default;

  // The leaf that maps `address`, or why there is none.
  virtual Read<Mapping> walk(VirtAddr address) const = 0;
  // The same with every entry on the way, for people. Without steps where nobody wrote it.
  virtual PageWalk describe(VirtAddr address) const { return {{}, walk(address)}; }
};

class AddressSpace final : public VirtMemory {
 public:
  AddressSpace(const PhysMemory& memory, std::unique_ptr<PageTable> table)
      : memory_(memory), table_(std::move(table)) {}

  Read<void> read(VirtAddr address, MutableBytes out) const override;
  Read<PhysAddr> translate(VirtAddr address) const override;
  PageWalk describe(VirtAddr address) const { return table_->describe(address); }

 private:
  Read<Mapping> map(VirtAddr address) const;

  const PhysMemory& memory_;
  std::unique_ptr<PageTable> table_;
  mutable std::array<Mapping, 1024> cache_{};  // by page number; size 0 is an empty slot
};

// What an architecture found out when it opened the kernel's page tables.
struct KernelSpace {
  std::unique_ptr<AddressSpace> memory;
  unsigned levels = 0;               // of paging
  std::vector<std::string> remarks;  // sources that did not agree
};

}  // namespace rig::analyzer
