// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/heap.h"

#include <algorithm>

#include "analyzer/core/limits.h"
#include "analyzer/facts/allocator_stacks.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

std::string owner_words(const MappedSlab& slab) {
  switch (slab.owner) {
    case SlabOwner::kCpu:
      return "CPU";
    case SlabOwner::kCpuPartial:
      return "partial, CPU";
    case SlabOwner::kNodePartial:
      return "partial, node";
    case SlabOwner::kNobody:
      break;
  }
  return slab.page.in_use == slab.page.objects ? "full" : "nobody";
}

CacheSlab describe(SlabReader& reader, const MappedCache& mapped, const MappedSlab& found,
                   std::size_t index) {
  const SlabPage& page = found.page;
  const Slab slab{page.page,    reader.layout().begin_of(page.page),
                  page.objects, page.in_use,
                  page.frozen,  page.freelist,
                  *mapped.cache};
  CacheSlab row{slab.begin, slab.page, owner_words(found), slab.objects, 0, {}};
  row.free = slab.objects - std::min(slab.in_use, slab.objects);
  const auto take = [&](const FreeList& list) {
    if (row.broken.empty()) row.broken = list.broken;
    return list.slots.size();
  };
  take(reader.lists().walk(slab, slab.freelist));
  for (const CpuFreelist& list : mapped.cpu_freelists) {
    if (list.slab != index) continue;
    row.owner = fmt::format("CPU {}", list.cpu);
    row.free += take(reader.lists().walk(slab, list.first));
  }
  return row;
}

}  // namespace

std::vector<PhysRange> believable_memory(const Core& core) {
  std::vector<PhysRange> ranges = core.memory().ranges();
  std::uint64_t left = core.file_bytes() > ~0ull / kMemoryPerFileByte
                           ? ~0ull
                           : core.file_bytes() * kMemoryPerFileByte;
  for (PhysRange& range : ranges) {
    range.size = std::min(range.size, left);
    left -= range.size;
  }
  return ranges;
}

SlabFacts audit_heap(Session& session) {
  const auto kernel = session.kernel();
  if (!kernel) {
    SlabFacts facts;
    facts.unwalked.push_back(kernel.error().message());
    return facts;
  }
  SlabReader reader(**kernel, session.arch(), static_cast<unsigned>(session.core().cpus().size()));
  SlabAuditInput input;
  input.memory = believable_memory(session.core());
  input.work = [&session] { return find_allocator_work(session); };
  input.debug = &reader.debug();
  return audit_slabs(reader, input);
}

Result<CacheSlabs> slabs_of(Session& session, const std::string& cache) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  SlabReader reader(*kernel, session.arch(), static_cast<unsigned>(session.core().cpus().size()));
  const HeapMap map = map_heap(reader, believable_memory(session.core()));
  std::vector<std::string> names;
  for (const MappedCache& each : map.caches) names.push_back(printable(each.cache->name));
  const auto name = std::ranges::find(names, cache);
  if (name == names.end()) {
    return fail(Blame::kInput, "slab: no cache '{}'{}", cache, suggest(cache, names));
  }
  const MappedCache& mapped = map.caches[static_cast<std::size_t>(name - names.begin())];
  CacheSlabs found;
  for (const SlabCacheFacts& each : session.slab().caches) {
    if (each.at == mapped.cache->at) found.facts = each;
  }
  for (const std::size_t index : mapped.slabs) {
    found.slabs.push_back(describe(reader, mapped, map.slabs[index], index));
  }
  return found;
}

}  // namespace rig::analyzer
