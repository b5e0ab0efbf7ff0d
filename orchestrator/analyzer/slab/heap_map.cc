// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab/heap_map.h"

#include <algorithm>
#include <unordered_set>

namespace rig::analyzer {
namespace {

class HeapMapper {
 public:
  explicit HeapMapper(SlabReader& reader) : reader_(reader), layout_(reader.layout()) {}

  HeapMap map(std::span<const PhysRange> ranges) {
    std::string why;
    for (const VirtAddr at : reader_.caches().all(why)) {
      by_address_.emplace(raw(at), map_.caches.size());
      map_.caches.push_back({reader_.caches().find(at), {}, {}});
    }
    if (!why.empty()) map_.unwalked.push_back(why);
    take_slabs(ranges);
    for (std::size_t i = 0; i < map_.slabs.size(); ++i) {
      const auto owner = by_address_.find(raw(map_.slabs[i].page.cache));
      if (owner == by_address_.end()) {
        map_.strangers.push_back(i);
      } else {
        map_.caches[owner->second].slabs.push_back(i);
      }
    }
    for (std::size_t i = 0; i < map_.caches.size(); ++i) {
      follow_lists(i);
      tell_lost(i);
    }
    return std::move(map_);
  }

 private:
  void take_slabs(std::span<const PhysRange> ranges) {
    std::vector<std::uint64_t> caches;
    for (const auto& [at, index] : by_address_) caches.push_back(at);
    std::ranges::sort(caches);
    PageScan scan = scan_pages(reader_.kernel(), layout_, ranges, caches);
    lost_ = std::move(scan.lost);
    map_.slabs.reserve(scan.slabs.size());
    for (SlabPage& each : scan.slabs) map_.slabs.push_back({each, SlabOwner::kNobody});
    if (scan.missing != 0) {
      map_.unwalked.push_back(fmt::format(
          "the structs of {} pages are not in the core: slabs on no list may be missing",
          scan.missing / layout_.page_struct_size));
    }
  }

  std::optional<std::size_t> find(VirtAddr page) const {
    const auto found = std::ranges::lower_bound(
        map_.slabs, page, {}, [](const MappedSlab& each) { return each.page.page; });
    if (found == map_.slabs.end() || found->page.page != page) return std::nullopt;
    return static_cast<std::size_t>(found - map_.slabs.begin());
  }

  const SlabCache& cache(std::size_t index) const { return *map_.caches[index].cache; }

  // Pages of the cache that are no slabs any more, but for those that a list has led to.
  void tell_lost(std::size_t index) {
    for (const SlabPage& each : lost_) {
      if (each.cache != cache(index).at || told_.contains(raw(each.page))) continue;
      trouble(CorruptionKind::kSlabLost, index, each.page, "its page",
              fmt::format("{}: the page at {} was given back while it was a slab of this cache",
                          cache(index).name, layout_.begin_of(each.page)));
      map_.troubles.back().held_size = layout_.page_struct_size;
    }
  }

  void trouble(CorruptionKind kind, std::size_t index, VirtAddr page, std::string where,
               std::string words, const NodeLists* node = nullptr) {
    const bool known = layout_.page_number(page).has_value();
    ListTrouble found{kind,
                      index,
                      known ? layout_.begin_of(page) : VirtAddr{},
                      std::move(where),
                      std::move(words),
                      page,
                      layout_.page_struct_size};
    // A page that is no slab of the cache is on none of its lists at any moment.
    if (kind == CorruptionKind::kSlabLost) found.held_size = 0;
    told_.insert(raw(page));
    if (node) {
      found.held_begin = node->at;
      found.held_size = reader_.caches().layout().node_size;
    }
    map_.troubles.push_back(std::move(found));
  }

  // The slab that a list of the cache leads to; nothing: what it leads to is none of its slabs.
  std::optional<std::size_t> member(std::size_t index, VirtAddr page, const std::string& where,
                                    const NodeLists* node) {
    const auto found = find(page);
    if (found && map_.slabs[*found].page.cache == cache(index).at) return found;
    if (found) {
      const SlabCache* other = reader_.caches().find(map_.slabs[*found].page.cache);
      trouble(CorruptionKind::kSlabLost, index, page, where,
              fmt::format("{}: the {} leads to the slab at {}, whose page says that it is {}",
                          cache(index).name, where, layout_.begin_of(page),
                          other ? "one of " + other->name : "of no cache"));
      return std::nullopt;
    }
    std::vector<std::byte> bytes(layout_.page_struct_size);
    if (!layout_.page_number(page) || !reader_.kernel().memory().read(page, bytes)) {
      trouble(CorruptionKind::kListBroken, index, page, where,
              fmt::format("{}: the {} leads to {}, where no struct page is", cache(index).name,
                          where, page),
              node);
      return std::nullopt;
    }
    trouble(CorruptionKind::kSlabLost, index, page, where,
            fmt::format("{}: the {} leads to the page at {}, which is no slab", cache(index).name,
                        where, layout_.begin_of(page)));
    return std::nullopt;
  }

  // False: it is on a list before, and this one ends here.
  bool claim(std::size_t index, std::size_t slab, SlabOwner owner, const std::string& where,
             const NodeLists* node) {
    MappedSlab& found = map_.slabs[slab];
    if (found.owner == SlabOwner::kNobody) {
      found.owner = owner;
      return true;
    }
    trouble(CorruptionKind::kListBroken, index, found.page.page, where,
            fmt::format("{}: the {} leads to the slab at {}, which is on {} before",
                        cache(index).name, where, layout_.begin_of(found.page.page),
                        found.owner == owner ? "such a list" : "another list"),
            node);
    return false;
  }

  void follow_cpu(std::size_t index, unsigned cpu) {
    const auto lists = reader_.caches().cpu_slab(cache(index), cpu);
    if (!lists) {
      map_.unwalked.push_back(
          fmt::format("{}: what CPU {} allocates from is not in the core", cache(index).name, cpu));
      return;
    }
    if (raw(lists->slab) != 0) {
      const std::string where = fmt::format("slab of CPU {}", cpu);
      const auto slab = member(index, lists->slab, where, nullptr);
      if (slab && claim(index, *slab, SlabOwner::kCpu, where, nullptr)) {
        map_.caches[index].cpu_freelists.push_back({*slab, cpu, lists->freelist});
      }
    }
    const std::string where = fmt::format("partial list of CPU {}", cpu);
    VirtAddr at = lists->partial;
    // ___slab_alloc() takes the first one for its slab before it moves the list on.
    if (at == lists->slab && raw(at) != 0) {
      const auto slab = find(at);
      at = slab ? map_.slabs[*slab].page.partial_next : VirtAddr{};
    }
    while (raw(at) != 0) {
      const auto slab = member(index, at, where, nullptr);
      if (!slab || !claim(index, *slab, SlabOwner::kCpuPartial, where, nullptr)) return;
      at = map_.slabs[*slab].page.partial_next;
    }
  }

  void follow_node(std::size_t index, const NodeLists& node, std::size_t number) {
    const std::string where = fmt::format("partial list of node {}", number);
    if (!layout_.list) return;
    VirtAddr link = node.partial_first;
    std::uint64_t count = 0;
    while (link != node.partial_head) {
      const auto slab = member(index, link - layout_.list->offset, where, &node);
      if (!slab || !claim(index, *slab, SlabOwner::kNodePartial, where, &node)) return;
      ++count;
      link = map_.slabs[*slab].page.list_next;
    }
    if (count == node.partial_count || node.locked) return;
    trouble(CorruptionKind::kCountsWrong, index, VirtAddr{}, where,
            fmt::format("{}: the {} has {} slabs, but nr_partial counts {}", cache(index).name,
                        where, count, node.partial_count),
            &node);
  }

  void follow_lists(std::size_t index) {
    for (unsigned cpu = 0; cpu < cache(index).per_cpu.size(); ++cpu) follow_cpu(index, cpu);
    std::string why;
    const auto nodes = reader_.caches().nodes(cache(index), why);
    if (!why.empty()) map_.unwalked.push_back(fmt::format("{}: {}", cache(index).name, why));
    for (std::size_t i = 0; i < nodes.size(); ++i) follow_node(index, nodes[i], i);
  }

  SlabReader& reader_;
  const SlabLayout& layout_;
  HeapMap map_;
  std::vector<SlabPage> lost_;
  std::unordered_set<std::uint64_t> told_;                     // pages that some trouble names
  std::unordered_map<std::uint64_t, std::size_t> by_address_;  // of caches
};

}  // namespace

HeapMap map_heap(SlabReader& reader, std::span<const PhysRange> ranges) {
  return HeapMapper(reader).map(ranges);
}

}  // namespace rig::analyzer
