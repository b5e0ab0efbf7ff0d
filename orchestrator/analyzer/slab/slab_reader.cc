// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/slab_reader.h"

#include <algorithm>

#include "analyzer/arch/kernel_config.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxObjects = 32767;  // slab.objects has 15 bits
constexpr std::uint64_t kMaxObjectSize = 64 << 20;
constexpr std::uint64_t kMaxContent = 64 << 10;  // of one object that is handed on
constexpr unsigned kMaxOrder = 10;
constexpr std::uint64_t kMaxCacheName = 128;
// struct kmem_cache_order_objects: order above, objects per slab below.
constexpr unsigned kOrderShift = 16;
constexpr std::uint64_t kObjectsMask = 0xffff;

std::string join_cpus(const std::vector<unsigned>& cpus) {
  std::string text;
  for (const unsigned cpu : cpus) text += fmt::format("{}{}", text.empty() ? "" : ", ", cpu);
  return text;
}

}  // namespace

SlabReader::SlabReader(const Kernel& kernel, const Architecture& arch, unsigned cpus)
    : kernel_(kernel),
      per_cpu_offsets_(kernel.per_cpu_offsets(cpus)),
      layout_(arch.layout(kernel)) {
  const auto types = kernel.types() ? kernel.types()->size_of("page") : std::nullopt;
  page_struct_size_ = types ? *types : kernel.info().size("page").value_or(0);
  // A bit of page.flags until 46df8e73a4a3 (v6.10), since then a page type.
  const auto bit = kernel.types() ? kernel.types()->enumerator("pageflags", "PG_slab")
                                  : kernel.info().number("PG_slab");
  if (bit && *bit >= 0 && *bit < 64) slab_bit_ = static_cast<unsigned>(*bit);
  if (const auto type = kernel.info().number("PAGE_SLAB_MAPCOUNT_VALUE"); !slab_bit_ && type) {
    slab_page_type_ = static_cast<std::uint32_t>(*type);
  }
}

std::optional<VirtAddr> SlabReader::page_of(VirtAddr address) const {
  if (!layout_.direct_map || !layout_.page_array || page_struct_size_ == 0) return std::nullopt;
  if (address < *layout_.direct_map) return std::nullopt;
  // The page tables have the last word on whether this is the direct map.
  const auto physical = kernel_.memory().translate(address);
  if (!physical || raw(*physical) != address - *layout_.direct_map) return std::nullopt;
  return *layout_.page_array + raw(*physical) / layout_.page_size * page_struct_size_;
}

// The first page of the compound page, itself when it is none.
std::optional<VirtAddr> SlabReader::head_of(VirtAddr page) const {
  const auto link = kernel_.field(page, "page.compound_head");
  if (!link) return std::nullopt;
  if ((*link & 1) == 0) return page;
  const VirtAddr head{*link - 1};
  if (head >= page || page - head > (page_struct_size_ << kMaxOrder)) return std::nullopt;
  if ((page - head) % page_struct_size_ != 0) return std::nullopt;
  return head;
}

bool SlabReader::is_slab(VirtAddr head) const {
  if (slab_bit_) {
    const auto flags = kernel_.field(head, "page.flags");
    return flags && (*flags >> *slab_bit_ & 1) != 0;
  }
  if (!slab_page_type_) return false;
  const auto type = kernel_.field(head, "page._mapcount.counter");
  return type && static_cast<std::uint32_t>(*type) == *slab_page_type_;
}

// Members of struct slab were members of struct page until d122019bf061 (v5.17).
std::optional<std::uint64_t> SlabReader::slab_field(VirtAddr page, std::string_view member) const {
  if (const auto value = kernel_.field(page, fmt::format("slab.{}", member))) return value;
  return kernel_.field(page, fmt::format("page.{}", member));
}

std::optional<SlabCache> SlabReader::read_cache(VirtAddr at) const {
  const auto field = [&](std::string_view name) {
    return kernel_.field(at, fmt::format("kmem_cache.{}", name));
  };
  const auto name = field("name");
  const auto size = field("size");
  const auto object_size = field("object_size");
  const auto free_pointer = field("offset");
  if (!name || !size || !object_size || !free_pointer) return std::nullopt;
  if (*size == 0 || *size > kMaxObjectSize || *object_size > *size ||
      *free_pointer + sizeof(std::uint64_t) > *size) {
    return std::nullopt;
  }
  SlabCache cache{at,
                  kernel_.memory().c_string(VirtAddr{*name}, kMaxCacheName),
                  *size,
                  *object_size,
                  *free_pointer,
                  field("red_left_pad").value_or(0),
                  field("random"),
                  {},
                  false,
                  field("flags").value_or(0),
                  field("inuse").value_or(0),
                  field("align").value_or(0),
                  field("ctor").value_or(0) != 0};
  if (cache.name.empty() || cache.red_left >= cache.size) return std::nullopt;
  cache.sheaves = field("cpu_sheaves").value_or(0) != 0;
  if (const auto per_cpu = field("cpu_slab"); per_cpu && *per_cpu != 0) {
    for (const std::uint64_t base : per_cpu_offsets_) {
      cache.per_cpu.push_back(VirtAddr{*per_cpu + base});
    }
  }
  return cache;
}

std::optional<Slab> SlabReader::read_slab(VirtAddr address, std::string& why) {
  const auto page = page_of(address);
  if (!page) return std::nullopt;
  const auto head = head_of(*page);
  if (!head || !is_slab(*head)) return std::nullopt;

  const auto cache_at = slab_field(*head, "slab_cache");
  const auto objects = slab_field(*head, "objects");
  const auto in_use = slab_field(*head, "inuse");
  const auto freelist = slab_field(*head, "freelist");
  if (!cache_at || !objects || !in_use || !freelist) {
    why = "this kernel's struct slab is not one we know";
    return std::nullopt;
  }
  const auto [known, added] = caches_.try_emplace(*cache_at);
  if (added) known->second = read_cache(VirtAddr{*cache_at});
  if (!known->second) {
    why = fmt::format("the slab's cache at {:#x} is no kmem_cache", *cache_at);
    return std::nullopt;
  }
  const auto pages = (*head - *layout_.page_array) / page_struct_size_;
  Slab slab{*head,         *layout_.direct_map + pages * layout_.page_size, *objects,
            *in_use,       slab_field(*head, "frozen").value_or(0) != 0,    VirtAddr{*freelist},
            *known->second};

  // The cache's own idea of its slabs: the usual order, or the smallest when memory was short.
  const auto usual = kernel_.field(slab.cache.at, "kmem_cache.oo.x").value_or(0);
  const auto least = kernel_.field(slab.cache.at, "kmem_cache.min.x").value_or(0);
  for (const auto shape : {usual, least}) {
    const auto order = shape >> kOrderShift;
    if ((shape & kObjectsMask) != slab.objects || order > kMaxOrder || slab.objects == 0) continue;
    const auto bytes = layout_.page_size << order;
    if (slab.objects <= kMaxObjects && slab.objects == bytes / slab.cache.size &&
        address - slab.begin < bytes) {
      return slab;
    }
  }
  why = fmt::format("a slab of {} with {} objects, which is not how that cache makes them",
                    slab.cache.name, slab.objects);
  return std::nullopt;
}

bool SlabReader::is_object(const Slab& slab, VirtAddr address) const {
  const auto distance = address - slab.object(0);
  return address >= slab.object(0) && distance % slab.cache.size == 0 &&
         distance / slab.cache.size < slab.objects;
}

SlabReader::FreeList SlabReader::walk(const Slab& slab, VirtAddr first, Decoding decoding) const {
  FreeList list;
  VirtAddr at = first;
  while (raw(at) != 0) {
    if (!is_object(slab, at)) {
      list.broken = fmt::format("{} is no object of this slab", at);
      return list;
    }
    if (list.objects.size() >= slab.objects) {
      list.broken = "it has more entries than the slab has objects";
      return list;
    }
    list.objects.push_back(at);
    const VirtAddr link = at + slab.cache.free_pointer;
    const auto stored = kernel_.memory().load<std::uint64_t>(link);
    if (!stored) {
      list.broken = fmt::format("{} is {}", link, to_string(stored.error().why));
      return list;
    }
    std::uint64_t next = *stored;
    if (decoding != Decoding::kPlain) {
      const auto where = raw(link);
      next ^= *slab.cache.random ^
              (decoding == Decoding::kXorSwapped ? __builtin_bswap64(where) : where);
    }
    at = VirtAddr{next};
  }
  return list;
}

// How a hardened kernel stores the pointer is not written down anywhere in memory: since
// 1ad53d9fa3f6 (v5.7) with the address byte-swapped, before without. Only one of them decodes.
SlabReader::FreeList SlabReader::walk(const Slab& slab, VirtAddr first) const {
  if (!slab.cache.random) return walk(slab, first, Decoding::kPlain);
  auto list = walk(slab, first, Decoding::kXorSwapped);
  if (list.broken.empty()) return list;
  auto older = walk(slab, first, Decoding::kXor);
  return older.broken.empty() ? older : list;
}

// Why an object that is on no freelist may be free all the same; empty: nothing speaks for it.
// `free`: on the freelist of the slab itself.
std::string SlabReader::doubt(const Slab& slab, std::uint64_t free, bool in_use_by_a_cpu) const {
  if (slab.cache.sheaves) {
    return "on no freelist, but this cache also keeps free objects in sheaves";
  }
  if (has_generic_kasan(kernel_)) {
    return "on no freelist, but KASAN may hold it in quarantine";
  }
  // Without a CPU that allocates from it the slab's own count must add up.
  if (!in_use_by_a_cpu && !slab.frozen && free + slab.in_use != slab.objects) {
    return fmt::format("on no freelist, but {} free and {} used do not make {} objects", free,
                       slab.in_use, slab.objects);
  }
  return {};
}

// Allocated, free, or unknown, from the slab's freelist and those of the CPUs that use the slab.
void SlabReader::establish_state(const Slab& slab, SlabObject& object) const {
  const auto is_on = [&](const FreeList& list) {
    return std::ranges::find(list.objects, object.address) != list.objects.end();
  };
  const FreeList own = walk(slab, slab.freelist);
  if (is_on(own)) {
    object.allocated = false;
    object.evidence = "on the freelist of its slab";
    return;
  }
  std::string broken = own.broken.empty() ? "" : "the slab's freelist is corrupted: " + own.broken;
  std::vector<unsigned> users;
  std::uint64_t free = own.objects.size();
  for (unsigned cpu = 0; cpu < slab.cache.per_cpu.size(); ++cpu) {
    const VirtAddr at = slab.cache.per_cpu[cpu];
    // Named `page` until bb192ed9aa71 (v5.17).
    auto active = kernel_.field(at, "kmem_cache_cpu.slab");
    if (!active) active = kernel_.field(at, "kmem_cache_cpu.page");
    if (!active || *active != raw(slab.page)) continue;
    users.push_back(cpu);
    const auto first = kernel_.field(at, "kmem_cache_cpu.freelist");
    if (!first) {
      broken = fmt::format("the freelist of CPU {} cannot be read", cpu);
      continue;
    }
    const FreeList list = walk(slab, VirtAddr{*first});
    free += list.objects.size();
    if (is_on(list)) {
      object.allocated = false;
      object.evidence = fmt::format("on the freelist of CPU {}", cpu);
      return;
    }
    if (!list.broken.empty()) {
      broken = fmt::format("the freelist of CPU {} is corrupted: {}", cpu, list.broken);
    }
  }
  if (!broken.empty()) {
    object.evidence = broken;
    return;
  }
  object.evidence = doubt(slab, own.objects.size(), !users.empty());
  if (!object.evidence.empty()) return;
  object.allocated = true;
  object.evidence =
      users.empty()
          ? fmt::format("not on the freelist of its slab ({} of {} objects free)", free,
                        slab.objects)
          : fmt::format("neither on the freelist of its slab nor on that of CPU {} ({} of {} free)",
                        join_cpus(users), free, slab.objects);
}

std::optional<SlabHit> SlabReader::find(VirtAddr address, std::string* why) {
  std::string reason;
  const auto slab = read_slab(address, reason);
  if (why) *why = reason;
  if (!slab) return std::nullopt;
  const auto slot = (address - slab->begin) / slab->cache.size;
  if (slot >= slab->objects) {
    if (why) *why = fmt::format("in a slab of {}, behind its last object", slab->cache.name);
    return std::nullopt;
  }
  SlabHit hit;
  hit.object.address = slab->object(slot);
  hit.object.cache = slab->cache.name;
  hit.object.object_size = slab->cache.object_size;
  hit.object.slot = slot;
  hit.object.slab = slab->begin;
  hit.offset = static_cast<std::int64_t>(address - hit.object.address);
  hit.object.content = kernel_.memory().read_up_to(hit.object.address,
                                                   std::min(hit.object.object_size, kMaxContent));
  establish_state(*slab, hit.object);
  return hit;
}

}  // namespace rig::analyzer
