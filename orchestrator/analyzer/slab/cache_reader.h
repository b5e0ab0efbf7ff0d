// SPDX-License-Identifier: Apache-2.0
// struct kmem_cache: one, or all that there are.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "analyzer/slab/slab_layout.h"
#include "analyzer/slab/slab_types.h"

namespace rig::analyzer {

// What a CPU allocates from: struct kmem_cache_cpu.
struct CpuSlab {
  VirtAddr freelist{}, slab{}, partial{};
};

// struct kmem_cache_node.
struct NodeLists {
  VirtAddr at{};
  bool locked = false;
  std::uint64_t partial_count = 0;
  VirtAddr partial_head{};  // where the list_head lies, and what it leads to
  VirtAddr partial_first{};
};

class CacheReader {
 public:
  CacheReader(const Kernel& kernel, unsigned cpus);

  const CacheLayout& layout() const { return layout_; }

  // Null: what lies there is no kmem_cache. Each is read once; the pointer stays.
  const SlabCache* find(VirtAddr at);

  // Every cache on the kernel's list, in its order. `why` says what is missing when the list breaks
  // or cannot be reached.
  std::vector<VirtAddr> all(std::string& why);

  // Of each CPU; those that cannot be read are absent.
  std::optional<CpuSlab> cpu_slab(const SlabCache& cache, unsigned cpu) const;
  // Of each node that the kernel has. `why`: one that cannot be read.
  std::vector<NodeLists> nodes(const SlabCache& cache, std::string& why) const;

 private:
  std::optional<SlabCache> read(VirtAddr at) const;
  // Some cache's `list` member, whichever can be reached, or the list's head.
  std::optional<VirtAddr> list_entry(std::string& why);
  void note_nodes(const SlabCache& cache);
  std::uint64_t node_count() const;

  const Kernel& kernel_;
  CacheLayout layout_;
  std::vector<std::uint64_t> per_cpu_offsets_;
  std::unordered_map<std::uint64_t, std::optional<SlabCache>> caches_;
  std::uint64_t node_count_ = 0;  // of the array kmem_cache.node, once it is known
};

}  // namespace rig::analyzer
