// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/memory_facts.h"

#include <algorithm>

#include "analyzer/facts/counters.h"
#include "analyzer/facts/guest_walks.h"
#include "analyzer/facts/memory_size.h"
#include "analyzer/facts/swaps.h"
#include "analyzer/facts/zones.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

using Pages = std::optional<std::uint64_t>;

constexpr std::uint64_t kMaxHugePages = 8;  // HUGE_MAX_HSTATE of the largest
constexpr std::size_t kMaxBlockDevices = 1 << 16;
constexpr double kLowShare = 0.02;  // of all memory: less free and available is called low

std::uint64_t less(std::uint64_t from, std::uint64_t part) {
  return from > part ? from - part : 0;
}

struct HugePages {
  std::uint64_t total = 0, free = 0;  // in pages of the usual size
};

class MemoryReader {
 public:
  MemoryReader(const Kernel& kernel, std::uint64_t page_size)
      : kernel_(kernel), fields_(kernel), counters_(fields_), page_size_(page_size) {}

  MemoryFacts read() {
    facts_.page_size = page_size_;
    facts_.zones = counters_.zones();
    facts_.problems = counters_.problems();
    total_ = total();
    huge_ = huge_pages();
    swap_total_ = swap_total();
    read_commit();
    const Pages free = counters_.get("NR_FREE_PAGES");
    const Pages file = counters_.get("NR_FILE_PAGES");
    buffers_ = buffers();
    if (file) {
      cached_ = less(*file, counters_.get("NR_SWAPCACHE").value_or(0) + buffers_.value_or(0));
    }
    // Counted in bytes in the enum's name, kept in pages: d42f3245c7e2 (v5.9).
    slab_reclaimable_ = first({"NR_SLAB_RECLAIMABLE_B", "NR_SLAB_RECLAIMABLE"});
    slab_unreclaimable_ = first({"NR_SLAB_UNRECLAIMABLE_B", "NR_SLAB_UNRECLAIMABLE"});
    fill_rows(free);
    fill_meminfo(free);
    facts_.verdict = memory_verdict(facts_);
    return std::move(facts_);
  }

 private:
  void row(std::string_view name, const Pages& pages) {
    if (pages) facts_.rows.push_back({std::string(name), *pages});
  }
  void meminfo(std::string_view name, const Pages& pages) {
    if (pages) facts_.meminfo.push_back({std::string(name), *pages});
  }
  Pages first(std::initializer_list<std::string_view> items) const {
    for (const std::string_view each : items) {
      if (const auto found = counters_.get(each)) return found;
    }
    return std::nullopt;
  }

  Pages sum(std::string_view one, std::string_view other) const {
    const auto a = counters_.get(one), b = counters_.get(other);
    return a && b ? Pages(*a + *b) : std::nullopt;
  }

  // _totalram_pages is what the zones manage.
  Pages total() const {
    if (const auto pages = kernel_.variable("_totalram_pages")) return pages;
    std::uint64_t sum = 0;
    for (const ZoneFacts& each : counters_.zones()) sum += each.managed;
    return sum != 0 ? Pages(sum) : std::nullopt;
  }

  // The page cache of all block devices: nr_blockdev_pages(), block/bdev.c.
  Pages buffers() {
    const auto superblock = kernel_.variable("blockdev_superblock");
    const auto head =
        superblock ? fields_.place(VirtAddr{*superblock}, "super_block.s_inodes") : std::nullopt;
    const auto link = fields_.member("inode.i_sb_list");
    if (!head || !link) return std::nullopt;
    std::uint64_t sum = 0;
    const auto broken = walk_list(
        kernel_.memory(), *head, link->offset,
        [&](VirtAddr inode) {
          const auto mapping = fields_.pointer(inode, "inode.i_mapping");
          if (mapping) sum += fields_.value(*mapping, "address_space.nrpages").value_or(0);
        },
        kMaxBlockDevices);
    if (!broken.empty()) {
      facts_.problems.push_back(
          fmt::format("buffers: the list of block devices is broken ({})", broken));
    }
    return sum;
  }

  std::optional<HugePages> huge_pages() const {
    const auto count = kernel_.variable<std::uint32_t>("hugetlb_max_hstate");
    const auto first = kernel_.symbol("hstates");
    const auto size = kernel_.types() ? kernel_.types()->size_of("hstate") : std::nullopt;
    if (!count || !first || !size) return std::nullopt;
    HugePages pages;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(*count, kMaxHugePages); ++i) {
      const VirtAddr at = *first + i * *size;
      const auto order = fields_.value(at, "hstate.order");
      if (!order || *order > 32) continue;
      pages.total += fields_.value(at, "hstate.nr_huge_pages").value_or(0) << *order;
      pages.free += fields_.value(at, "hstate.free_huge_pages").value_or(0) << *order;
    }
    return pages;
  }

  Pages swap_total() {
    if (const auto pages = kernel_.variable("total_swap_pages")) return pages;
    const auto areas = swap_facts(PathReader(kernel_), page_size_, facts_.problems);
    if (!areas) return std::nullopt;
    std::uint64_t sum = 0;
    for (const SwapFacts& each : *areas) sum += each.bytes / page_size_;
    return sum;
  }

  // vm_commit_limit() and vm_committed_as: mm/util.c.
  void read_commit() {
    const auto ratio = kernel_.variable<std::int32_t>("sysctl_overcommit_ratio");
    const auto fixed = kernel_.variable("sysctl_overcommit_kbytes");
    if (fixed && *fixed != 0 && swap_total_) {
      facts_.commit_limit = *fixed * 1024 / page_size_ + *swap_total_;
    } else if (ratio && *ratio >= 0 && total_ && swap_total_) {
      const auto usable = less(*total_, huge_ ? huge_->total : 0);
      facts_.commit_limit = usable * static_cast<std::uint64_t>(*ratio) / 100 + *swap_total_;
    }
    if (const auto counter = kernel_.symbol("vm_committed_as")) {
      if (const auto sum = per_cpu_sum(fields_, *counter)) {
        facts_.committed = static_cast<std::uint64_t>(std::max<std::int64_t>(*sum, 0));
      }
    }
  }

  // si_mem_available(), mm/page_alloc.c: what can be had without swapping.
  Pages available(const Pages& free) const {
    auto reserve = kernel_.variable("totalreserve_pages");
    if (!reserve) reserve = counters_.reserve();
    const auto active = counters_.get("NR_ACTIVE_FILE");
    const auto inactive = counters_.get("NR_INACTIVE_FILE");
    if (!free || !reserve || !active || !inactive || !slab_reclaimable_) return std::nullopt;
    std::uint64_t low = 0;
    for (const ZoneFacts& each : counters_.zones()) low += each.low;
    const auto usable = [&](std::uint64_t pages) { return pages - std::min(pages / 2, low); };
    const auto slab = *slab_reclaimable_ + counters_.get("NR_KERNEL_MISC_RECLAIMABLE").value_or(0);
    return less(*free + usable(*active + *inactive) + usable(slab), *reserve);
  }

  void fill_rows(const Pages& free) {
    row("TOTAL MEM", total_);
    row("FREE", free);
    if (free && total_) row("USED", less(*total_, *free));
    row("SHARED", counters_.get("NR_FILE_MAPPED"));
    row("BUFFERS", buffers_);
    row("CACHED", cached_);
    if (slab_reclaimable_ && slab_unreclaimable_) {
      row("SLAB", *slab_reclaimable_ + *slab_unreclaimable_);
    }
    if (huge_) {
      row("TOTAL HUGE", huge_->total);
      row("HUGE FREE", huge_->free);
    }
    row("TOTAL SWAP", swap_total_);
    if (const auto left = swap_free(); left && swap_total_) {
      row("SWAP USED", less(*swap_total_, *left));
      row("SWAP FREE", left);
    }
    row("COMMIT LIMIT", facts_.commit_limit);
    row("COMMITTED", facts_.committed);
  }

  Pages swap_free() {
    const auto left = kernel_.variable<std::int64_t>("nr_swap_pages");
    if (left) return static_cast<std::uint64_t>(std::max<std::int64_t>(*left, 0));
    return swap_total_ == 0u ? swap_total_ : std::nullopt;
  }

  void fill_meminfo(const Pages& free) {
    meminfo("MemTotal", total_);
    meminfo("MemFree", free);
    meminfo("MemAvailable", available(free));
    meminfo("Buffers", buffers_);
    meminfo("Cached", cached_);
    meminfo("Active", sum("NR_ACTIVE_ANON", "NR_ACTIVE_FILE"));
    meminfo("Inactive", sum("NR_INACTIVE_ANON", "NR_INACTIVE_FILE"));
    constexpr std::pair<std::string_view, std::string_view> kItems[] = {
        {"SwapCached", "NR_SWAPCACHE"},
        {"Active(anon)", "NR_ACTIVE_ANON"},
        {"Inactive(anon)", "NR_INACTIVE_ANON"},
        {"Active(file)", "NR_ACTIVE_FILE"},
        {"Inactive(file)", "NR_INACTIVE_FILE"},
        {"Unevictable", "NR_UNEVICTABLE"},
        {"Mlocked", "NR_MLOCK"},
        {"Dirty", "NR_FILE_DIRTY"},
        {"Writeback", "NR_WRITEBACK"},
        {"AnonPages", "NR_ANON_MAPPED"},
        {"Mapped", "NR_FILE_MAPPED"},
        {"Shmem", "NR_SHMEM"}};
    for (const auto& [name, item] : kItems) meminfo(name, counters_.get(item));
    const auto misc = counters_.get("NR_KERNEL_MISC_RECLAIMABLE").value_or(0);
    if (slab_reclaimable_) meminfo("KReclaimable", *slab_reclaimable_ + misc);
    if (slab_reclaimable_ && slab_unreclaimable_) {
      meminfo("Slab", *slab_reclaimable_ + *slab_unreclaimable_);
    }
    meminfo("SReclaimable", slab_reclaimable_);
    meminfo("SUnreclaim", slab_unreclaimable_);
    // In kB since d30dd8be06eb (v4.9).
    if (const auto kilobytes = counters_.get("NR_KERNEL_STACK_KB")) {
      meminfo("KernelStack", *kilobytes * 1024 / page_size_);
    }
    meminfo("PageTables", counters_.get("NR_PAGETABLE"));
    meminfo("SecPageTables", counters_.get("NR_SECONDARY_PAGETABLE"));
    meminfo("Bounce", counters_.get("NR_BOUNCE"));
    meminfo("SwapTotal", swap_total_);
    meminfo("SwapFree", swap_free());
    meminfo("CommitLimit", facts_.commit_limit);
    meminfo("Committed_AS", facts_.committed);
    meminfo("VmallocUsed", kernel_.variable("nr_vmalloc_pages"));
    // pcpu_nr_pages(), mm/percpu.c: each page is there once for each unit.
    const auto pages = kernel_.variable("pcpu_nr_populated");
    const auto units = kernel_.variable<std::int32_t>("pcpu_nr_units");
    if (pages && units && *units > 0) {
      meminfo("Percpu", *pages * static_cast<std::uint64_t>(*units));
    }
  }

  const Kernel& kernel_;
  FieldReader fields_;
  PageCounters counters_;
  std::uint64_t page_size_;
  MemoryFacts facts_;
  Pages total_, swap_total_, buffers_, cached_, slab_reclaimable_, slab_unreclaimable_;
  std::optional<HugePages> huge_;
};

Pages find(const std::vector<MemoryRow>& rows, std::string_view name) {
  const auto found = std::ranges::find(rows, name, &MemoryRow::name);
  return found != rows.end() ? Pages(found->pages) : std::nullopt;
}

// What reclaim has left to take from.
std::string reclaim_words(const MemoryFacts& facts) {
  const auto bytes = [&](std::string_view name) {
    return memory_size(find(facts.meminfo, name).value_or(0) * facts.page_size);
  };
  const auto file = find(facts.meminfo, "Active(file)").value_or(0) +
                    find(facts.meminfo, "Inactive(file)").value_or(0);
  const auto total = find(facts.meminfo, "SwapTotal");
  const auto left = find(facts.meminfo, "SwapFree");
  std::string words;
  if (total == 0u) {
    words = fmt::format("; there is no swap, so the {} of anonymous memory cannot be reclaimed",
                        bytes("AnonPages"));
  } else if (left == 0u) {
    words = fmt::format("; swap is full, so the {} of anonymous memory cannot be reclaimed",
                        bytes("AnonPages"));
  }
  return words + fmt::format("; reclaim can take from {} of page cache and {} of slab",
                             memory_size(file * facts.page_size), bytes("SReclaimable"));
}

// Who has most of what is in use; what none of the counters has went to drivers page by page.
std::string consumer_words(const MemoryFacts& facts, std::uint64_t used) {
  constexpr std::pair<std::string_view, std::string_view> kConsumers[] = {
      {"AnonPages", "anonymous memory"}, {"Buffers", "buffers"},
      {"Cached", "page cache"},          {"Slab", "slab"},
      {"KernelStack", "kernel stacks"},  {"PageTables", "page tables"},
      {"VmallocUsed", "vmalloc"},        {"Percpu", "per-CPU memory"}};
  std::uint64_t known = 0, most = 0;
  std::string_view who;
  const auto offer = [&](std::string_view words, std::uint64_t pages) {
    if (pages <= most) return;
    most = pages;
    who = words;
  };
  for (const auto& [name, words] : kConsumers) {
    const auto pages = find(facts.meminfo, name).value_or(0);
    known += pages;
    offer(words, pages);
  }
  const auto huge = find(facts.rows, "TOTAL HUGE").value_or(0);
  offer("huge pages", huge);
  offer("no counter's (pages that drivers took, or lost ones)", less(used, known + huge));
  if (most == 0) return {};
  return fmt::format("; most of what is used is {}: {}", who, memory_size(most * facts.page_size));
}

}  // namespace

std::string memory_verdict(const MemoryFacts& facts) {
  const auto total = find(facts.rows, "TOTAL MEM");
  const auto free = find(facts.rows, "FREE");
  if (!total || !free || *total == 0) return "how much memory is free is not known";
  const double share = static_cast<double>(*free) / static_cast<double>(*total);
  std::string words =
      fmt::format("{} of {} is free ({:.1f} %)", memory_size(*free * facts.page_size),
                  memory_size(*total * facts.page_size), share * 100);
  std::string pressed;  // zones below their low watermark
  for (const ZoneFacts& each : facts.zones) {
    if (each.free > each.low || each.low == 0) continue;
    pressed += fmt::format("{}{} of node {}", pressed.empty() ? "" : ", ", each.name, each.node);
  }
  const auto available = find(facts.meminfo, "MemAvailable");
  const bool low =
      share < kLowShare &&
      (!available || static_cast<double>(*available) < 4 * kLowShare * static_cast<double>(*total));
  if (!pressed.empty()) {
    words += fmt::format(": memory is short, below the low watermark in {}", pressed);
  } else if (low) {
    words += ": memory is low, though above the low watermarks";
  } else {
    return words + ": no shortage, all zones are above their low watermarks";
  }
  return words + consumer_words(facts, less(*total, *free)) + reclaim_words(facts);
}

MemoryFacts memory_facts(const Kernel& kernel, std::uint64_t page_size) {
  return MemoryReader(kernel, page_size).read();
}

Result<MemoryFacts> memory_facts(Session& session) {
  RIG_ASSIGN(const Kernel* kernel, session.kernel());
  return memory_facts(*kernel, session.arch().layout(*kernel).page_size);
}

}  // namespace rig::analyzer
