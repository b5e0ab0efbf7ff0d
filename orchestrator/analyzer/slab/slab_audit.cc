// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/slab_audit.h"

#include <algorithm>

#include "analyzer/slab/debug_flags.h"
#include "analyzer/slab/heap_map.h"
#include "analyzer/slab/slab_findings.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kNoList = ~std::size_t{0};

class SlabAudit {
 public:
  SlabAudit(SlabReader& reader, const SlabAuditInput& input)
      : reader_(reader),
        input_(input),
        in_flight_(input.work),
        found_(input.debug),
        flags_(reader.kernel()) {}

  SlabFacts run() {
    SlabFacts facts;
    if (!reader_.layout().missing.empty()) {
      facts.unwalked.push_back("slabs: " + reader_.layout().missing);
      return facts;
    }
    map_ = map_heap(reader_, input_.memory);
    if (map_.caches.empty()) {
      facts.unwalked = map_.unwalked;
      if (facts.unwalked.empty()) facts.unwalked.emplace_back("slabs: there is no cache");
      return facts;
    }
    for (const std::string& why : map_.unwalked) found_.unwalked(why);
    facts.audited = true;
    facts.caches.reserve(map_.caches.size());
    std::size_t next = 0;  // troubles come in the order of caches
    for (std::size_t i = 0; i < map_.caches.size(); ++i) {
      for (; next < map_.troubles.size() && map_.troubles[next].cache == i; ++next) {
        judge(map_.troubles[next]);
      }
      facts.caches.push_back(audit(map_.caches[i]));
    }
    judge_strangers();
    if (odd_ != 0) {
      found_.unwalked(odd_ == 1 ? first_odd_ : fmt::format("{}; {} more", first_odd_, odd_ - 1));
    }
    found_.move_to(facts);
    return facts;
  }

 private:
  void judge(const ListTrouble& trouble) {
    if (trouble.held_size != 0 && excused(trouble.held_begin, trouble.held_size, trouble.words)) {
      return;
    }
    found_.of_slab(trouble.kind, reader_cache(trouble.cache).name, trouble.slab, trouble.where,
                   trouble.words);
  }

  const SlabCache& reader_cache(std::size_t index) const { return *map_.caches[index].cache; }

  // Somebody in the allocator holds it: said, and no corruption.
  bool excused(VirtAddr begin, std::uint64_t size, const std::string& words) {
    const auto who = in_flight_.holder(begin, size);
    if (who) found_.unwalked(fmt::format("{} (in flight on {})", words, *who));
    return who.has_value();
  }
  bool excused(const Slab& slab, std::uint64_t bytes, const std::string& words) {
    return excused(slab.page, reader_.layout().page_struct_size, words) ||
           excused(slab.begin, bytes, words);
  }

  SlabCacheFacts audit(const MappedCache& mapped) {
    const SlabCache& cache = *mapped.cache;
    SlabCacheFacts facts;
    facts.at = cache.at;
    facts.name = cache.name;
    facts.object_size = cache.object_size;
    facts.size = cache.size;
    facts.pages_per_slab = 1ull << std::min(slab_shape(cache.usual).order, kMaxSlabOrder);
    facts.debug = flags_.of(cache);
    Slab slab;
    slab.cache = cache;
    for (const std::size_t index : mapped.slabs) {
      const MappedSlab& each = map_.slabs[index];
      // On its way back to the page allocator, maybe after an RCU grace period, or not there yet:
      // the kernel does not count it either.
      if (each.owner == SlabOwner::kNobody && each.page.in_use == 0) {
        check_unused(each, slab);
        continue;
      }
      take(each.page, slab);
      const auto bytes = slab_bytes(cache, slab.objects, reader_.layout().memory.page_size);
      if (!bytes) {
        odd_shape(each, slab);
        continue;
      }
      lists_.clear();
      for (const CpuFreelist& list : mapped.cpu_freelists) {
        if (list.slab == index)
          follow(slab, fmt::format("freelist of CPU {}", list.cpu), list.first);
      }
      const std::uint64_t cached = free_on_lists();
      follow(slab, "freelist of its slab", slab.freelist);
      audit_objects(each, slab, *bytes);
      ++facts.slabs;
      facts.total += slab.objects;
      facts.allocated += std::min(slab.in_use, slab.objects) - std::min(cached, slab.in_use);
    }
    return facts;
  }

  void take(const SlabPage& page, Slab& slab) const {
    slab.page = page.page;
    slab.begin = reader_.layout().begin_of(page.page);
    slab.objects = page.objects;
    slab.in_use = page.in_use;
    slab.frozen = page.frozen;
    slab.freelist = page.freelist;
  }

  void follow(const Slab& slab, std::string where, VirtAddr first) {
    lists_.push_back({std::move(where), reader_.lists().walk(slab, first)});
  }
  std::uint64_t free_on_lists() const {
    std::uint64_t free = 0;
    for (const NamedList& each : lists_) free += each.list.slots.size();
    return free;
  }

  // A slab that nobody uses and that is on no list: only whether somebody holds it can be told.
  void check_unused(const MappedSlab& each, Slab& slab) {
    take(each.page, slab);
    if (slab_bytes(slab.cache, slab.objects, reader_.layout().memory.page_size)) return;
    odd_shape(each, slab);
  }

  void odd_shape(const MappedSlab& each, const Slab& slab) {
    const std::string words = fmt::format(
        "{}: the page of the slab at {} says that it has {} objects, which is not how that cache "
        "makes them",
        slab.cache.name, slab.begin, slab.objects);
    if (each.owner == SlabOwner::kNobody) {
      // KFENCE's pages are such slabs, and those that are just being made.
      if (odd_++ == 0) first_odd_ = words;
    } else if (!excused(slab, reader_.layout().memory.page_size, words)) {
      found_.of_slab(CorruptionKind::kCountsWrong, slab.cache.name, slab.begin, "its page", words);
    }
  }

  void audit_objects(const MappedSlab& each, const Slab& slab, std::uint64_t bytes) {
    const bool debugged = input_.debug && input_.debug->checks(slab.cache);
    on_list_.assign(slab.objects, kNoList);
    const NamedList& own = lists_.back();
    // A slab that is just being made is on no list, and its freelist not yet whole.
    if (each.owner == SlabOwner::kNobody && own.list.end != FreeList::End::kNull) {
      const std::string words =
          fmt::format("{}: the slab at {} is on no list, and its freelist is broken: {}",
                      slab.cache.name, slab.begin, own.list.broken);
      if (excused(slab, bytes, words)) return;
    }
    const bool sound = audit_lists(slab);
    if (sound && !audit_counts(slab, bytes)) return;
    if (debugged) audit_bytes(slab, bytes);
  }

  // False: some list broke.
  bool audit_lists(const Slab& slab) {
    bool sound = true;
    for (std::size_t i = 0; i < lists_.size(); ++i) {
      const NamedList& each = lists_[i];
      bool met = false;  // another list, and goes on as that does
      for (const std::uint32_t slot : each.list.slots) {
        if (on_list_[slot] != kNoList) {
          found_.freed_twice(slab, slot, lists_[on_list_[slot]], each);
          met = true;
          break;
        }
        on_list_[slot] = i;
      }
      sound &= !met && each.list.end == FreeList::End::kNull;
      if (met) continue;
      switch (each.list.end) {
        case FreeList::End::kNull:
          break;
        case FreeList::End::kRepeated:
          if (const auto slot = slot_of(slab, each.list.bad)) {
            found_.freed_twice(slab, *slot, each, each);
          }
          break;
        case FreeList::End::kUnreadable:
          found_.unwalked(fmt::format("{}: the {} of the slab at {}: {}", slab.cache.name,
                                      each.where, slab.begin, each.list.broken));
          break;
        default:
          found_.wrong_pointer(slab, each);
      }
    }
    return sound;
  }

  // The slab's own freelist and what it counts as used make up the whole: mm/slub.c changes both
  // with one instruction, or under a lock that whoever is about to does not let go of. False: not.
  bool audit_counts(const Slab& slab, std::uint64_t bytes) {
    const auto free = lists_.back().list.slots.size();
    if (free + slab.in_use == slab.objects) return true;
    const std::string words = fmt::format(
        "{}: the slab at {} has {} objects, of which its page counts {} as used and {} are on its "
        "freelist",
        slab.cache.name, slab.begin, slab.objects, slab.in_use, free);
    if (excused(slab, bytes, words)) return false;
    found_.of_slab(CorruptionKind::kCountsWrong, slab.cache.name, slab.begin, "its page", words);
    return true;
  }

  void audit_bytes(const Slab& slab, std::uint64_t bytes) {
    const ObjectDebug& debug = *input_.debug;
    for (std::uint32_t slot = 0; slot < slab.objects; ++slot) {
      const VirtAddr object = slab.object(slot);
      const bool listed = on_list_[slot] != kNoList;
      const auto state = debug.state(slab.cache, object);
      const std::string& where = listed ? lists_[on_list_[slot]].where : kOnNoList;
      if (listed && state == ObjectState::kActive) {
        found_.free_and_in_use(slab, slot, where);
        continue;
      }
      const bool free = listed || state == ObjectState::kInactive;
      auto wrong =
          debug.check(slab.cache, object, free ? ObjectState::kInactive : ObjectState::kActive);
      if (wrong.empty()) continue;
      // The kernel fills an object's debug bytes while it is on no list.
      if (!listed &&
          excused(object - slab.cache.red_left, slab.cache.size,
                  fmt::format("{}: the debug bytes of object {}", slab.cache.name, object))) {
        continue;
      }
      for (WrongBytes& each : wrong) {
        found_.wrong_bytes(slab, slot, !free, where, std::move(each));
      }
    }
    if (auto padding = debug.check_slab_padding(slab, bytes)) {
      found_.wrong_bytes(slab, std::nullopt, false, "padding of its slab", *std::move(padding));
    }
  }

  // Slabs whose page names no cache that is on the list: of a cache that is just being destroyed,
  // or not yet set up, or overwritten. None of them can be told from the others.
  void judge_strangers() {
    if (map_.strangers.empty()) return;
    const SlabPage& first = map_.slabs[map_.strangers.front()].page;
    found_.unwalked(fmt::format(
        "{} slab{} of no cache on the list: the first at {}, whose page names {} as its cache",
        map_.strangers.size(), map_.strangers.size() == 1 ? "" : "s",
        reader_.layout().begin_of(first.page), first.cache));
  }

  inline static const std::string kOnNoList = "on no freelist";

  SlabReader& reader_;
  const SlabAuditInput& input_;
  InFlight in_flight_;
  SlabFindings found_;
  DebugFlags flags_;
  HeapMap map_;
  std::size_t odd_ = 0;  // slabs on no list that are not shaped as their cache makes them
  std::string first_odd_;
  std::vector<NamedList> lists_;      // of the slab at hand; its own comes last
  std::vector<std::size_t> on_list_;  // of each of its objects: index in lists_
};

}  // namespace

SlabFacts audit_slabs(SlabReader& reader, const SlabAuditInput& input) {
  return SlabAudit(reader, input).run();
}

}  // namespace rig::analyzer
