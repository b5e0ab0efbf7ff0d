// SPDX-License-Identifier: Apache-2.0
// Where the members of SLUB's structs lie in this kernel, each looked up once, and the arithmetic
// between pages and their structs. Format: include/linux/slub_def.h, mm/slab.h, mm/slub.c.
#pragma once

#include <optional>
#include <string>

#include "analyzer/arch/architecture.h"
#include "analyzer/symbols/kernel.h"

namespace rig::analyzer {

// One struct page that heads a slab, as it is in the core.
struct SlabPage {
  VirtAddr page{};  // the struct page
  std::uint64_t flags = 0;
  VirtAddr cache{}, freelist{};
  VirtAddr partial_next{};  // struct slab, on a CPU's partial list
  VirtAddr list_next{};     // struct list_head, on a node's list
  std::uint32_t in_use = 0, objects = 0;
  bool frozen = false;
};

struct SlabLayout {
  // What is not there is absent; `missing` names the first thing without which no slab is read.
  static SlabLayout of(const Kernel& kernel, const Architecture& arch);

  // The struct page of the page that holds `address` of the direct map, going by the page tables.
  std::optional<VirtAddr> page_of(const Kernel& kernel, VirtAddr address) const;
  // The first byte of that page.
  VirtAddr begin_of(VirtAddr page) const;
  // Whether `page` can be the address of a struct page at all, and which page's.
  std::optional<std::uint64_t> page_number(VirtAddr page) const;

  // From the bytes of one struct page.
  bool is_slab(ByteView page) const;
  bool is_tail(ByteView page) const;
  SlabPage decode(VirtAddr at, ByteView page) const;

  KernelLayout memory;
  std::uint64_t page_struct_size = 0;
  std::optional<unsigned> slab_bit;             // in page.flags
  std::optional<std::uint32_t> slab_page_type;  // or the value of page._mapcount
  std::optional<unsigned> locked_bit;
  std::optional<Member> flags, compound_head, mapcount;
  std::optional<Member> slab_cache, freelist, in_use, objects, frozen;
  std::optional<Member> next, list;  // slab.next (CPU partial lists), slab.slab_list
  std::string missing;
};

// struct kmem_cache, kmem_cache_cpu, kmem_cache_node.
struct CacheLayout {
  static CacheLayout of(const Kernel& kernel);

  std::optional<Member> name, size, object_size, offset, red_left, random, cpu_slab, oo, min, flags,
      in_use, align, ctor, list, node, sheaves;
  std::optional<Member> cpu_freelist, cpu_slab_page, cpu_partial;
  std::optional<Member> node_lock, node_nr_partial, node_partial;
  std::uint64_t read_size = 0;  // bytes of a kmem_cache that hold all of these but the nodes
  std::uint64_t cpu_size = 0, node_size = 0;
};

// "usual" or "least" shape of a slab: struct kmem_cache_order_objects.
struct SlabShape {
  unsigned order = 0;
  std::uint64_t objects = 0;
};
SlabShape slab_shape(std::uint64_t order_objects);

inline constexpr unsigned kMaxSlabOrder = 10;
// The objects of one slab: slab.objects has 15 bits.
inline constexpr std::uint64_t kMaxSlabObjects = 32767;

// 0 where the member is not there, or lies outside.
std::uint64_t field_of(const std::optional<Member>& member, ByteView bytes);

}  // namespace rig::analyzer
