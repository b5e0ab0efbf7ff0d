// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/slab_layout.h"

#include <algorithm>

namespace rig::analyzer {
namespace {

// struct kmem_cache_order_objects: order above, objects per slab below.
constexpr unsigned kOrderShift = 16;
constexpr std::uint64_t kObjectsMask = 0xffff;
constexpr std::uint64_t kMaxStruct = 64 << 10;

// Members of struct slab were members of struct page until d122019bf061 (v5.17).
std::optional<Member> slab_member(const Kernel& kernel, std::string_view name) {
  if (const auto found = kernel.member(fmt::format("slab.{}", name))) return found;
  return kernel.member(fmt::format("page.{}", name));
}

std::uint64_t end_of(const std::optional<Member>& member) {
  return member ? member->offset + member->size : 0;
}

}  // namespace

std::uint64_t field_of(const std::optional<Member>& member, ByteView bytes) {
  if (!member) return 0;
  return extract(*member, bytes).value_or(0);
}

SlabShape slab_shape(std::uint64_t order_objects) {
  return {static_cast<unsigned>(order_objects >> kOrderShift), order_objects & kObjectsMask};
}

SlabLayout SlabLayout::of(const Kernel& kernel, const Architecture& arch) {
  SlabLayout layout;
  layout.memory = arch.layout(kernel);
  const auto size = kernel.types() ? kernel.types()->size_of("page") : std::nullopt;
  layout.page_struct_size = size ? *size : kernel.info().size("page").value_or(0);
  // A bit of page.flags until 46df8e73a4a3 (v6.10), since then a page type.
  const auto bit_of = [&](std::string_view name) -> std::optional<unsigned> {
    const auto bit =
        kernel.types() ? kernel.types()->enumerator("pageflags", name) : kernel.info().number(name);
    return bit && *bit >= 0 && *bit < 64 ? std::optional(static_cast<unsigned>(*bit))
                                         : std::nullopt;
  };
  layout.slab_bit = bit_of("PG_slab");
  layout.locked_bit = bit_of("PG_locked");
  const auto type = kernel.info().number("PAGE_SLAB_MAPCOUNT_VALUE");
  if (type && !layout.slab_bit) layout.slab_page_type = static_cast<std::uint32_t>(*type);

  layout.flags = kernel.member("page.flags");
  layout.compound_head = kernel.member("page.compound_head");
  layout.mapcount = kernel.member("page._mapcount.counter");
  layout.slab_cache = slab_member(kernel, "slab_cache");
  layout.freelist = slab_member(kernel, "freelist");
  layout.in_use = slab_member(kernel, "inuse");
  layout.objects = slab_member(kernel, "objects");
  layout.frozen = slab_member(kernel, "frozen");
  layout.next = slab_member(kernel, "next");
  // In page.lru until 4da1984edbbe (v5.2).
  layout.list = slab_member(kernel, "slab_list");
  if (!layout.list) layout.list = kernel.member("page.lru");

  const auto need = [&](bool there, std::string_view what) {
    if (!there && layout.missing.empty()) layout.missing = what;
  };
  need(kernel.types().has_value(), "this kernel carries no types");
  need(layout.memory.direct_map.has_value(), "where the direct map begins is not known");
  need(layout.memory.page_array.has_value(), "where the array of struct page is is not known");
  need(layout.page_struct_size != 0 && layout.page_struct_size <= kMaxStruct,
       "how large a struct page is is not known");
  need(layout.slab_bit || layout.slab_page_type, "how a slab's page is marked is not known");
  need(layout.flags && layout.compound_head && layout.slab_cache && layout.freelist &&
           layout.in_use && layout.objects,
       "this kernel's struct slab is not one we know");
  return layout;
}

CacheLayout CacheLayout::of(const Kernel& kernel) {
  CacheLayout layout;
  const auto cache = [&](std::string_view member) {
    return kernel.member(fmt::format("kmem_cache.{}", member));
  };
  layout.name = cache("name");
  layout.size = cache("size");
  layout.object_size = cache("object_size");
  layout.offset = cache("offset");
  layout.red_left = cache("red_left_pad");
  layout.random = cache("random");
  layout.cpu_slab = cache("cpu_slab");
  layout.oo = cache("oo.x");
  layout.min = cache("min.x");
  layout.flags = cache("flags");
  layout.in_use = cache("inuse");
  layout.align = cache("align");
  layout.ctor = cache("ctor");
  layout.list = cache("list");
  layout.node = cache("node");
  layout.sheaves = cache("cpu_sheaves");
  for (const auto* each :
       {&layout.name, &layout.size, &layout.object_size, &layout.offset, &layout.red_left,
        &layout.random, &layout.cpu_slab, &layout.oo, &layout.min, &layout.flags, &layout.in_use,
        &layout.align, &layout.ctor, &layout.list, &layout.sheaves}) {
    layout.read_size = std::max(layout.read_size, end_of(*each));
  }
  layout.read_size = std::min(layout.read_size, kMaxStruct);

  layout.cpu_freelist = kernel.member("kmem_cache_cpu.freelist");
  // Named `page` until bb192ed9aa71 (v5.17).
  layout.cpu_slab_page = kernel.member("kmem_cache_cpu.slab");
  if (!layout.cpu_slab_page) layout.cpu_slab_page = kernel.member("kmem_cache_cpu.page");
  layout.cpu_partial = kernel.member("kmem_cache_cpu.partial");
  layout.node_lock = kernel.member("kmem_cache_node.list_lock");
  layout.node_nr_partial = kernel.member("kmem_cache_node.nr_partial");
  layout.node_partial = kernel.member("kmem_cache_node.partial");
  for (const auto* each : {&layout.cpu_freelist, &layout.cpu_slab_page, &layout.cpu_partial}) {
    layout.cpu_size = std::max(layout.cpu_size, std::min(end_of(*each), kMaxStruct));
  }
  for (const auto* each : {&layout.node_lock, &layout.node_nr_partial, &layout.node_partial}) {
    layout.node_size = std::max(layout.node_size, std::min(end_of(*each), kMaxStruct));
  }
  return layout;
}

std::optional<VirtAddr> SlabLayout::page_of(const Kernel& kernel, VirtAddr address) const {
  if (!memory.direct_map || !memory.page_array || page_struct_size == 0) return std::nullopt;
  if (address < *memory.direct_map) return std::nullopt;
  // The page tables have the last word on whether this is the direct map.
  const auto physical = kernel.memory().translate(address);
  if (!physical || raw(*physical) != address - *memory.direct_map) return std::nullopt;
  return *memory.page_array + raw(*physical) / memory.page_size * page_struct_size;
}

VirtAddr SlabLayout::begin_of(VirtAddr page) const {
  const auto pages = (page - *memory.page_array) / page_struct_size;
  return *memory.direct_map + pages * memory.page_size;
}

std::optional<std::uint64_t> SlabLayout::page_number(VirtAddr page) const {
  if (!memory.page_array || page_struct_size == 0 || page < *memory.page_array) return std::nullopt;
  const auto distance = page - *memory.page_array;
  if (distance % page_struct_size != 0) return std::nullopt;
  return distance / page_struct_size;
}

bool SlabLayout::is_tail(ByteView page) const {
  return (field_of(compound_head, page) & 1) != 0;
}

bool SlabLayout::is_slab(ByteView page) const {
  if (slab_bit) return (field_of(flags, page) >> *slab_bit & 1) != 0;
  return slab_page_type && static_cast<std::uint32_t>(field_of(mapcount, page)) == *slab_page_type;
}

SlabPage SlabLayout::decode(VirtAddr at, ByteView page) const {
  SlabPage slab;
  slab.page = at;
  slab.flags = field_of(flags, page);
  slab.cache = VirtAddr{field_of(slab_cache, page)};
  slab.freelist = VirtAddr{field_of(freelist, page)};
  slab.in_use = static_cast<std::uint32_t>(field_of(in_use, page));
  slab.objects = static_cast<std::uint32_t>(field_of(objects, page));
  slab.frozen = field_of(frozen, page) != 0;
  slab.partial_next = VirtAddr{field_of(next, page)};
  if (list) slab.list_next = VirtAddr{load<std::uint64_t>(page, list->offset).value_or(0)};
  return slab;
}

}  // namespace rig::analyzer
