// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/slab_reader.h"

#include <algorithm>

#include "analyzer/arch/kernel_config.h"
#include "analyzer/slab/object_debug.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxContent = 64 << 10;  // of one object that is handed on

std::string join_cpus(const std::vector<unsigned>& cpus) {
  std::string text;
  for (const unsigned cpu : cpus) text += fmt::format("{}{}", text.empty() ? "" : ", ", cpu);
  return text;
}

}  // namespace

std::optional<std::uint64_t> slab_bytes(const SlabCache& cache, std::uint64_t objects,
                                        std::uint64_t page_size) {
  for (const auto word : {cache.usual, cache.least}) {
    const SlabShape shape = slab_shape(word);
    if (shape.objects != objects || shape.order > kMaxSlabOrder || objects == 0) continue;
    const auto bytes = page_size << shape.order;
    if (objects <= kMaxSlabObjects && objects == bytes / cache.size) return bytes;
  }
  return std::nullopt;
}

SlabReader::SlabReader(const Kernel& kernel, const Architecture& arch, unsigned cpus)
    : kernel_(kernel),
      layout_(SlabLayout::of(kernel, arch)),
      caches_(kernel, cpus),
      lists_(kernel, layout_) {}

// The first page of the compound page, itself when it is none.
std::optional<VirtAddr> SlabReader::head_of(VirtAddr page) const {
  if (!layout_.compound_head) return std::nullopt;
  const auto link = kernel_.memory().load<std::uint64_t>(page + layout_.compound_head->offset);
  if (!link) return std::nullopt;
  if ((*link & 1) == 0) return page;
  const VirtAddr head{*link - 1};
  if (head >= page || page - head > (layout_.page_struct_size << kMaxSlabOrder)) {
    return std::nullopt;
  }
  if ((page - head) % layout_.page_struct_size != 0) return std::nullopt;
  return head;
}

std::optional<SlabReader::Place> SlabReader::slab_at(VirtAddr address, std::string* why) {
  const auto refuse = [&](std::string reason) {
    if (why) *why = std::move(reason);
    return std::nullopt;
  };
  const auto page = page_of(address);
  const auto head = page ? head_of(*page) : std::nullopt;
  if (!head) return std::nullopt;
  std::vector<std::byte> bytes(layout_.page_struct_size);
  if (!kernel_.memory().read(*head, bytes) || !layout_.is_slab(bytes)) return std::nullopt;
  if (!layout_.missing.empty()) return refuse(layout_.missing);
  const SlabPage found = layout_.decode(*head, bytes);
  const SlabCache* cache = caches_.find(found.cache);
  if (!cache) return refuse(fmt::format("the slab's cache at {} is no kmem_cache", found.cache));
  Place place{Slab{*head, layout_.begin_of(*head), found.objects, found.in_use, found.frozen,
                   found.freelist, *cache},
              0};
  const auto size = slab_bytes(*cache, found.objects, layout_.memory.page_size);
  if (!size || address - place.slab.begin >= *size) {
    return refuse(
        fmt::format("a slab of {} with {} objects, which is not how that cache makes them",
                    cache->name, found.objects));
  }
  place.bytes = *size;
  return place;
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
void SlabReader::establish_state(const Slab& slab, std::uint32_t slot, SlabObject& object) {
  const auto is_on = [&](const FreeList& list) {
    return std::ranges::find(list.slots, slot) != list.slots.end();
  };
  const FreeList own = lists_.walk(slab, slab.freelist);
  if (is_on(own)) {
    object.allocated = false;
    object.evidence = "on the freelist of its slab";
    return;
  }
  std::string broken = own.broken.empty() ? "" : "the slab's freelist is corrupted: " + own.broken;
  std::vector<unsigned> users;
  std::uint64_t free = own.slots.size();
  for (unsigned cpu = 0; cpu < slab.cache.per_cpu.size(); ++cpu) {
    const auto active = caches_.cpu_slab(slab.cache, cpu);
    if (!active || active->slab != slab.page) continue;
    users.push_back(cpu);
    const FreeList list = lists_.walk(slab, active->freelist);
    free += list.slots.size();
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
  object.evidence = doubt(slab, own.slots.size(), !users.empty());
  if (!object.evidence.empty()) return;
  object.allocated = true;
  object.evidence =
      users.empty()
          ? fmt::format("not on the freelist of its slab ({} of {} objects free)", free,
                        slab.objects)
          : fmt::format("neither on the freelist of its slab nor on that of CPU {} ({} of {} free)",
                        join_cpus(users), free, slab.objects);
}

const ObjectDebug& SlabReader::debug() {
  if (!debug_) debug_.emplace(kernel_);
  return *debug_;
}

// Who had it; and whether it is free, for the freelists do not have objects in KASAN's quarantine,
// nor one that a CPU is just allocating.
void SlabReader::ask_debug_bytes(const SlabCache& cache, SlabObject& object) {
  if (debug().tracks(cache)) {
    object.allocated_by = debug().allocated_by(cache, object.address);
    object.freed_by = debug().freed_by(cache, object.address);
  }
  if (object.allocated == false) return;
  if (const auto freed = debug().freed_by_shadow(cache, object.address)) {
    object.allocated = !*freed;
    object.evidence = *freed ? "on no freelist, but freed by KASAN's shadow: in quarantine"
                             : "allocated by KASAN's shadow";
  } else if (debug().state(cache, object.address) == ObjectState::kInactive) {
    object.allocated = false;
    object.evidence = "on no freelist, but its red zones are a free object's";
  }
}

std::optional<SlabHit> SlabReader::find(VirtAddr address, std::string* why) {
  if (why) why->clear();
  const auto place = slab_at(address, why);
  if (!place) return std::nullopt;
  const Slab& slab = place->slab;
  const auto slot = (address - slab.begin) / slab.cache.size;
  if (slot >= slab.objects) {
    if (why) *why = fmt::format("in a slab of {}, behind its last object", slab.cache.name);
    return std::nullopt;
  }
  SlabHit hit;
  hit.object.address = slab.object(slot);
  hit.object.cache = slab.cache.name;
  hit.object.object_size = slab.cache.object_size;
  hit.object.slot = slot;
  hit.object.slab = slab.begin;
  hit.offset = static_cast<std::int64_t>(address - hit.object.address);
  hit.object.content = kernel_.memory().read_up_to(hit.object.address,
                                                   std::min(hit.object.object_size, kMaxContent));
  establish_state(slab, static_cast<std::uint32_t>(slot), hit.object);
  ask_debug_bytes(slab.cache, hit.object);
  return hit;
}

}  // namespace rig::analyzer
