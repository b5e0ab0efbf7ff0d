// SPDX-License-Identifier: Apache-2.0
// Per-CPU memory: where each CPU's copy lies, and which allocation of alloc_percpu() a pointer
// belongs to. Format: mm/percpu-internal.h, mm/percpu.c (struct pcpu_chunk, its allocation map and
// the map of where allocations begin).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

struct PerCpuChunk {
  VirtAddr at{};                           // of its struct pcpu_chunk
  VirtAddr base{};                         // of the first CPU's copy
  std::string list;                        // "first", "reserved", "slot 3"
  std::uint64_t pages = 0, populated = 0;  // for each CPU
  std::uint64_t free_bytes = 0;
  std::uint64_t allocations = 0, allocated_bytes = 0;  // for each CPU
  std::vector<std::uint64_t> alloc_map, bound_map, populated_map;

  std::uint64_t page_size = 4096;

  std::uint64_t size() const { return pages * page_size; }
};

// What a per-CPU pointer is, as alloc_percpu() returned it or into it.
struct PerCpuPlace {
  std::string words;                   // "alloc_percpu: 24 bytes", "static: runqueues+0x40", "free"
  std::optional<VirtAddr> begin;       // the pointer to the first byte of the allocation
  std::optional<std::uint64_t> bytes;  // of the allocation
  bool allocated = false;
  bool populated = true;  // pages are there for it
};

class PerCpu {
 public:
  // `cpus`: how many the core has, for kernels that do not say how many there can be.
  PerCpu(const Kernel& kernel, unsigned cpus, std::uint64_t page_size = 4096);

  // __per_cpu_offset of each possible CPU, in order.
  const std::vector<std::uint64_t>& offsets() const { return offsets_; }
  VirtAddr on(unsigned cpu, VirtAddr pointer) const { return pointer + offsets_[cpu]; }

  // All chunks of the allocator; empty, with `why`, when they cannot be reached.
  const std::vector<PerCpuChunk>& chunks();
  const std::string& why() const { return why_; }
  // After place(): all chunks were read, so that what has no place is no per-CPU pointer.
  bool complete() const { return start_ && base_ && chunks_read_ && why_.empty(); }

  // What `pointer` is. Nothing when it is no per-CPU pointer, or the chunks cannot be reached.
  std::optional<PerCpuPlace> place(VirtAddr pointer);

  // The per-CPU pointer for an address within some CPU's copy.
  std::optional<VirtAddr> pointer_of(VirtAddr address);

 private:
  std::optional<PerCpuChunk> read_chunk(VirtAddr at, std::string list) const;
  std::vector<std::uint64_t> read_map(VirtAddr at, std::uint64_t bits) const;
  void add_list(VirtAddr head, unsigned slot);
  void add(VirtAddr at, std::string list);
  void read_chunks();
  PerCpuPlace place_in(const PerCpuChunk& chunk, std::uint64_t offset, VirtAddr pointer) const;

  const Kernel& kernel_;
  std::uint64_t page_size_;
  std::vector<std::uint64_t> offsets_;
  std::optional<VirtAddr> start_;      // __per_cpu_start: the pointer to the first static variable
  std::optional<std::uint64_t> base_;  // pcpu_base_addr: where the first unit's copy of it lies
  bool chunks_read_ = false;
  std::uint64_t mapped_ = 0;  // bytes of all chunks, of one CPU
  std::vector<PerCpuChunk> chunks_;
  std::string why_;
};

}  // namespace rig::analyzer
