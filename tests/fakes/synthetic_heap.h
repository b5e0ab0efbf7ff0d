// SPDX-License-Identifier: Apache-2.0
// A small SLUB heap, laid out as 6.1 does with hardened free pointers: caches, slabs, the lists of
// two CPUs and one node. What a test does not damage is as a healthy kernel leaves it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analyzer/slab/slab_audit.h"
#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"

namespace rig::analyzer::fake {

class SyntheticHeap {
 public:
  static constexpr std::uint64_t kDirect = FakeVirtMemory::kDirectMap;
  static constexpr std::uint64_t kPages = 0xffff'ea00'0000'0000;
  static constexpr std::uint64_t kPageSize = 4096, kPageStruct = 64;
  static constexpr std::uint64_t kMemory = 16 << 20;
  static constexpr std::uint64_t kVariables = 0xffff'ffff'8200'0000;
  static constexpr std::uint64_t kListHead = kVariables + 0x100;  // slab_caches
  static constexpr std::uint64_t kCaches = kDirect + 0x10'0000;
  static constexpr std::uint64_t kFirstSlab = 0x400;  // page number
  static constexpr std::uint64_t kRandom = 0x1234'5678'9abc'def0;
  static constexpr unsigned kSlabFlag = 1 << 9, kLockedFlag = 1;
  static constexpr std::uint64_t kPerCpuDistance = 0x1000;

  struct Cache {
    std::string name;
    std::uint64_t at = 0, node = 0, cpu = 0;  // kmem_cache, kmem_cache_node, CPU 0's kmem_cache_cpu
    std::uint32_t size = 0, order = 0, objects = 0, free_pointer = 0, red_left = 0;
    std::uint64_t random = 0;
  };
  struct SlabAt {
    std::size_t cache = 0;
    std::uint64_t page = 0, begin = 0;  // its struct page, its first byte
  };

  SyntheticHeap() {
    memory.put(kVariables, kDirect);
    memory.put(kVariables + 8, kPages);
    memory.put(kVariables + 16, std::uint64_t{0});  // __per_cpu_offset
    memory.put(kVariables + 24, kPerCpuDistance);
    link_caches();
    const std::vector<std::byte> none(kMemory / kPageSize * kPageStruct);
    memory.pages.write(kPages, none);
  }

  // `inside`: what lies in a slot before and behind the object of `object_size`.
  std::size_t cache(const std::string& name, std::uint32_t size, std::uint32_t order = 0,
                    std::uint32_t flags = 0, std::uint32_t object_size = 0,
                    std::uint32_t red_left = 0) {
    const std::size_t index = caches.size();
    Cache made{name, kCaches + index * 0x4000, 0, 0, size, order, 0, 0, red_left, 0};
    made.node = made.at + 0x1000;
    made.cpu = made.at + 0x2000;
    made.objects = static_cast<std::uint32_t>((kPageSize << order) / size);
    made.free_pointer = (object_size == 0 ? size : object_size) / 2 / 8 * 8;
    made.random = kRandom + 0x1111 * index;
    if (flags != 0) made.free_pointer = (object_size + 7) / 8 * 8;  // debugging moves it behind
    memory.put(made.at + 0, made.cpu);
    memory.put(made.at + 8, std::uint64_t{flags});
    memory.put(made.at + 24, size);
    memory.put(made.at + 28, object_size == 0 ? size : object_size);
    memory.put(made.at + 40, made.free_pointer);
    memory.put(made.at + 48, order << 16 | made.objects);
    memory.put(made.at + 52, std::uint32_t(kPageSize / size));
    memory.put(made.at + 72, made.free_pointer);  // inuse
    memory.put(made.at + 84, red_left);
    memory.put(made.at + 88, made.at + 0x800);
    memory.put(made.at + 104, made.random);
    memory.put(made.at + 128, made.node);
    memory.put_text(made.at + 0x800, name);
    for (unsigned cpu = 0; cpu < 2; ++cpu) {
      for (unsigned word = 0; word < 4; ++word) {
        memory.put(cpu_at(made, cpu) + word * 8, std::uint64_t{0});
      }
    }
    memory.put(made.node, std::uint64_t{0});
    caches.push_back(made);
    link_caches();
    put_node(index, {});
    return index;
  }

  // A full slab: every object is allocated.
  std::size_t slab(std::size_t cache) {
    const Cache& of = caches[cache];
    const std::uint64_t number = next_page_;
    next_page_ += 1ull << of.order;
    const SlabAt made{cache, kPages + number * kPageStruct, kDirect + number * kPageSize};
    memory.put(made.page, std::uint64_t{kSlabFlag});
    for (std::uint64_t tail = 1; tail < 1ull << of.order; ++tail) {
      memory.put(made.page + tail * kPageStruct + 8, made.page | 1);
    }
    memory.put(made.page + 24, of.at);
    memory.put(made.page + 32, std::uint64_t{0});
    const std::vector<std::byte> none(kPageSize << of.order);
    memory.pages.write(made.begin, none);
    slabs.push_back(made);
    counts(slabs.size() - 1, of.objects, false);
    return slabs.size() - 1;
  }

  // These objects are on the slab's own freelist, in this order.
  void free(std::size_t slab, const std::vector<unsigned>& slots) {
    memory.put(slabs[slab].page + 32, chain(slab, slots));
    counts(slab, of(slab).objects - static_cast<unsigned>(slots.size()), false);
  }
  // The CPU allocates from the slab, and has these objects on its own list.
  void take(unsigned cpu, std::size_t slab, const std::vector<unsigned>& slots) {
    memory.put(cpu_at(of(slab), cpu), chain(slab, slots));
    memory.put(cpu_at(of(slab), cpu) + 16, slabs[slab].page);
    freeze(slab);
  }
  void put_cpu_partial(unsigned cpu, const std::vector<std::size_t>& list) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      memory.put(slabs[list[i]].page + 8, i + 1 < list.size() ? slabs[list[i + 1]].page : 0);
      freeze(list[i]);
    }
    memory.put(cpu_at(of(list[0]), cpu) + 24, slabs[list[0]].page);
  }
  void put_node(std::size_t cache, const std::vector<std::size_t>& list) {
    const std::uint64_t head = caches[cache].node + 16;
    memory.put(caches[cache].node + 8, std::uint64_t{list.size()});
    std::uint64_t last = head;
    for (const std::size_t each : list) {
      memory.put(last, slabs[each].page + 8);
      memory.put(slabs[each].page + 16, last);
      last = slabs[each].page + 8;
    }
    memory.put(last, head);
    memory.put(head + 8, last);
  }
  // Partial, and on its node's list with all others given to it before.
  void partial(std::size_t slab, const std::vector<unsigned>& slots) {
    free(slab, slots);
    partial_[slabs[slab].cache].push_back(slab);
    put_node(slabs[slab].cache, partial_[slabs[slab].cache]);
  }

  std::uint64_t object(std::size_t slab, unsigned slot) const {
    return slabs[slab].begin + slot * of(slab).size + of(slab).red_left;
  }
  // Where an object has its free pointer, and makes it lead to `target`.
  std::uint64_t link_at(std::size_t slab, unsigned slot) const {
    return object(slab, slot) + of(slab).free_pointer;
  }
  void point(std::size_t slab, unsigned slot, std::uint64_t target) {
    const std::uint64_t at = link_at(slab, slot);
    const std::uint64_t where = swapped ? __builtin_bswap64(at) : at;
    memory.put(at, target ^ of(slab).random ^ where);
  }
  std::uint64_t chain(std::size_t slab, const std::vector<unsigned>& slots) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      point(slab, slots[i], i + 1 < slots.size() ? object(slab, slots[i + 1]) : 0);
    }
    return slots.empty() ? 0 : object(slab, slots[0]);
  }
  void counts(std::size_t slab, unsigned in_use, bool frozen) {
    memory.put(slabs[slab].page + 40, in_use | of(slab).objects << 16 | (frozen ? 1u << 31 : 0));
  }
  std::uint64_t cpu_at(const Cache& cache, unsigned cpu) const {
    return cache.cpu + cpu * kPerCpuDistance;
  }
  const Cache& of(std::size_t slab) const { return caches[slabs[slab].cache]; }

  SlabFacts audit(std::vector<AllocatorWork> work = {}, bool with_debug = false) const {
    SlabReader reader(kernel, architecture(Arch::kX86_64), 2);
    SlabAuditInput input;
    input.memory = {{PhysAddr{0}, kMemory}};
    input.work = [work] { return work; };
    const ObjectDebug debug(kernel);
    if (with_debug) input.debug = &debug;
    return audit_slabs(reader, input);
  }

  static std::string info_text() {
    return fmt::format(
        "SYMBOL(page_offset_base)={:x}\nSYMBOL(vmemmap_base)={:x}\nSYMBOL(__per_cpu_offset)={:x}\n"
        "SYMBOL(slab_caches)={:x}\n",
        kVariables, kVariables + 8, kVariables + 16, kListHead);
  }

  static Btf types() {
    BtfBuilder btf;
    const int u64 = btf.integer("unsigned long", 8);
    const int u32 = btf.integer("unsigned int", 4);
    const int ptr = btf.pointer();
    const int head = btf.structure("list_head", 16, {{"next", ptr, 0}, {"prev", ptr, 8}});
    btf.enumeration("pageflags", {{"PG_locked", 0}, {"PG_slab", 9}});
    btf.structure("page", 64, {{"flags", u64, 0}, {"compound_head", u64, 8}, {"mapping", ptr, 24}});
    btf.structure("slab", 64,
                  {{"__page_flags", u64, 0},
                   {"slab_list", head, 8},
                   {"next", ptr, 8},
                   {"slab_cache", ptr, 24},
                   {"freelist", ptr, 32},
                   {"inuse", u32, 40, 0, 16},
                   {"objects", u32, 40, 16, 15},
                   {"frozen", u32, 40, 31, 1}});
    const int oo = btf.structure("kmem_cache_order_objects", 4, {{"x", u32, 0}});
    btf.structure("kmem_cache", 136,
                  {{"cpu_slab", ptr, 0},
                   {"flags", u32, 8},
                   {"size", u32, 24},
                   {"object_size", u32, 28},
                   {"offset", u32, 40},
                   {"oo", oo, 48},
                   {"min", oo, 52},
                   {"ctor", ptr, 64},
                   {"inuse", u32, 72},
                   {"align", u32, 76},
                   {"red_left_pad", u32, 84},
                   {"name", ptr, 88},
                   {"random", u64, 104},
                   {"list", head, 112},
                   {"node", btf.array(ptr, 1), 128}});
    btf.structure("kmem_cache_cpu", 32,
                  {{"freelist", ptr, 0}, {"tid", u64, 8}, {"slab", ptr, 16}, {"partial", ptr, 24}});
    btf.structure("kmem_cache_node", 32,
                  {{"list_lock", u32, 0}, {"nr_partial", u64, 8}, {"partial", head, 16}});
    return btf.build();
  }

  std::vector<Cache> caches;
  std::vector<SlabAt> slabs;
  bool swapped = true;  // false: free pointers as before v5.7
  FakeVirtMemory memory;
  Vmcoreinfo info{info_text()};
  Kernel kernel{memory, info, {}, types()};

 private:
  void freeze(std::size_t slab) {
    const std::uint64_t at = slabs[slab].page + 40;
    memory.put(at, *memory.load<std::uint32_t>(VirtAddr{at}) | 1u << 31);
  }
  void link_caches() {
    std::uint64_t last = kListHead;
    for (const Cache& each : caches) {
      memory.put(last, each.at + 112);
      last = each.at + 112;
    }
    memory.put(last, kListHead);
  }

  std::uint64_t next_page_ = kFirstSlab;
  std::map<std::size_t, std::vector<std::size_t>> partial_;
};

}  // namespace rig::analyzer::fake
