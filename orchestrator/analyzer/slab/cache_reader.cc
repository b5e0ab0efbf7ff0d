// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/cache_reader.h"

#include <algorithm>
#include <unordered_set>

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxObjectSize = 64 << 20;
constexpr std::uint64_t kMaxCacheName = 128;
constexpr std::size_t kMaxCaches = 1 << 16;
constexpr std::uint64_t kMaxNodes = 1024;  // MAX_NUMNODES of the largest configuration
constexpr std::uint64_t kMaxKmallocCaches = 512;

}  // namespace

CacheReader::CacheReader(const Kernel& kernel, unsigned cpus)
    : kernel_(kernel),
      layout_(CacheLayout::of(kernel)),
      per_cpu_offsets_(kernel.per_cpu_offsets(cpus)) {}

std::optional<SlabCache> CacheReader::read(VirtAddr at) const {
  if (!layout_.name || !layout_.size || !layout_.object_size || !layout_.offset) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(layout_.read_size);
  if (!kernel_.memory().read(at, bytes)) return std::nullopt;
  const auto field = [&](const std::optional<Member>& member) { return field_of(member, bytes); };
  SlabCache cache;
  cache.at = at;
  cache.size = field(layout_.size);
  cache.object_size = field(layout_.object_size);
  cache.free_pointer = field(layout_.offset);
  cache.red_left = field(layout_.red_left);
  if (cache.size == 0 || cache.size > kMaxObjectSize || cache.object_size > cache.size ||
      cache.free_pointer + sizeof(std::uint64_t) > cache.size || cache.red_left >= cache.size) {
    return std::nullopt;
  }
  cache.name = kernel_.memory().c_string(VirtAddr{field(layout_.name)}, kMaxCacheName);
  if (cache.name.empty()) return std::nullopt;
  if (layout_.random) cache.random = field(layout_.random);
  cache.flags = field(layout_.flags);
  cache.in_use = field(layout_.in_use);
  cache.align = field(layout_.align);
  cache.has_constructor = field(layout_.ctor) != 0;
  cache.sheaves = field(layout_.sheaves) != 0;
  cache.usual = field(layout_.oo);
  cache.least = field(layout_.min);
  if (const auto per_cpu = field(layout_.cpu_slab); per_cpu != 0) {
    for (const std::uint64_t base : per_cpu_offsets_) {
      cache.per_cpu.push_back(VirtAddr{per_cpu + base});
    }
  }
  return cache;
}

const SlabCache* CacheReader::find(VirtAddr at) {
  const auto [known, added] = caches_.try_emplace(raw(at));
  if (added) known->second = read(at);
  return known->second ? &*known->second : nullptr;
}

// slab_caches, or any cache that kmalloc_caches leads to (exported, so that it is known where
// kallsyms has no variables): all of them are on that list.
std::optional<VirtAddr> CacheReader::list_entry(std::string& why) {
  if (!layout_.list) {
    why = "this kernel's struct kmem_cache is not one we know";
    return std::nullopt;
  }
  if (const auto head = kernel_.symbol("slab_caches")) return head;
  const auto table = kernel_.symbol("kmalloc_caches");
  for (std::uint64_t i = 0; table && i < kMaxKmallocCaches; ++i) {
    const auto cache = kernel_.memory().load<std::uint64_t>(*table + i * sizeof(std::uint64_t));
    if (!cache) break;
    if (*cache == 0) continue;
    const SlabCache* found = find(VirtAddr{*cache});
    if (!found || !found->name.starts_with("kmalloc-")) break;
    return VirtAddr{*cache} + layout_.list->offset;
  }
  why = "where the kernel keeps the list of its caches is not known";
  return std::nullopt;
}

void CacheReader::note_nodes(const SlabCache& cache) {
  if (cache.name != "kmem_cache" || !layout_.node) return;
  if (cache.object_size <= layout_.node->offset) return;
  node_count_ = (cache.object_size - layout_.node->offset) / sizeof(std::uint64_t);
}

std::vector<VirtAddr> CacheReader::all(std::string& why) {
  std::vector<VirtAddr> caches;
  const auto start = list_entry(why);
  if (!start) return caches;
  std::unordered_set<std::uint64_t> seen;
  VirtAddr link = *start;
  // One link of the circle is slab_caches itself. Where it has no name it is the one that lies in
  // no kmem_cache: a second one breaks the list.
  auto head = kernel_.symbol("slab_caches");
  do {
    if (!seen.insert(raw(link)).second) {
      why = fmt::format("the list of caches runs in a circle at {}", link);
      break;
    }
    if (seen.size() > kMaxCaches) {
      why = fmt::format("there are more than {} caches: the rest is left out", kMaxCaches);
      break;
    }
    const VirtAddr at = link - layout_.list->offset;
    const SlabCache* cache = head == link ? nullptr : find(at);
    if (!cache && head && head != link) {
      why = fmt::format("what the list of caches has at {} is no kmem_cache", at);
      break;
    }
    if (!cache) {
      head = link;
    } else {
      note_nodes(*cache);
      caches.push_back(at);
    }
    const auto next = kernel_.memory().load<std::uint64_t>(link);
    if (!next) {
      why = fmt::format("the list of caches: {} is {}", link, to_string(next.error().why));
      break;
    }
    link = VirtAddr{*next};
  } while (link != *start);
  return caches;
}

std::optional<CpuSlab> CacheReader::cpu_slab(const SlabCache& cache, unsigned cpu) const {
  if (cpu >= cache.per_cpu.size() || !layout_.cpu_freelist || !layout_.cpu_slab_page) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(layout_.cpu_size);
  if (!kernel_.memory().read(cache.per_cpu[cpu], bytes)) return std::nullopt;
  return CpuSlab{VirtAddr{field_of(layout_.cpu_freelist, bytes)},
                 VirtAddr{field_of(layout_.cpu_slab_page, bytes)},
                 VirtAddr{field_of(layout_.cpu_partial, bytes)}};
}

// The array is as long as there can be nodes (nr_node_ids), and the cache of caches knows: its
// objects end with it (create_boot_cache() in mm/slub.c).
std::uint64_t CacheReader::node_count() const {
  const auto declared = layout_.node && layout_.node->elements ? *layout_.node->elements : 1;
  const auto known = kernel_.variable<std::uint32_t>("nr_node_ids");
  auto count = std::min(declared, kMaxNodes);
  if (node_count_ != 0) count = std::min(count, node_count_);
  if (known && *known != 0) count = std::min<std::uint64_t>(count, *known);
  return count;
}

std::vector<NodeLists> CacheReader::nodes(const SlabCache& cache, std::string& why) const {
  std::vector<NodeLists> nodes;
  if (!layout_.node || !layout_.node_partial) {
    why = "this kernel's struct kmem_cache_node is not one we know";
    return nodes;
  }
  for (std::uint64_t i = 0; i < node_count(); ++i) {
    const VirtAddr slot = cache.at + layout_.node->offset + i * sizeof(std::uint64_t);
    const auto at = kernel_.memory().load<std::uint64_t>(slot);
    if (!at) {
      why = fmt::format("{} is {}", slot, to_string(at.error().why));
      break;
    }
    if (*at == 0) continue;
    NodeLists node;
    node.at = VirtAddr{*at};
    std::vector<std::byte> bytes(layout_.node_size);
    if (const auto got = kernel_.memory().read(node.at, bytes); !got) {
      why =
          fmt::format("the lists of node {} at {} are {}", i, node.at, to_string(got.error().why));
      continue;
    }
    // The word that is not 0 while a queued spinlock is held comes first in every spinlock_t.
    if (layout_.node_lock) {
      node.locked = load<std::uint32_t>(bytes, layout_.node_lock->offset).value_or(0) != 0;
    }
    node.partial_count = field_of(layout_.node_nr_partial, bytes);
    node.partial_head = node.at + layout_.node_partial->offset;
    node.partial_first =
        VirtAddr{load<std::uint64_t>(bytes, layout_.node_partial->offset).value_or(0)};
    nodes.push_back(node);
  }
  return nodes;
}

}  // namespace rig::analyzer
