// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/zones.h"

#include <algorithm>

#include "analyzer/facts/counters.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxNodes = 1024;  // MAX_NUMNODES
constexpr std::uint64_t kMaxZones = 8;     // MAX_NR_ZONES
constexpr std::uint64_t kMaxItems = 256;
constexpr std::uint64_t kMaxZoneName = 32;
constexpr std::size_t kMin = 0, kLow = 1, kHigh = 2;  // enum zone_watermarks

std::uint64_t positive(std::int64_t value) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0));
}

}  // namespace

std::string zone_verdict(const ZoneFacts& zone) {
  if (zone.free <= zone.min) {
    return "below min: every ordinary allocation has to reclaim by itself first, only emergencies "
           "are served";
  }
  if (zone.free <= zone.low) {
    return "below low: kswapd has been woken to reclaim";
  }
  if (zone.free <= zone.high) return "between low and high: kswapd goes on if it was woken";
  return "above high";
}

PageCounters::PageCounters(const FieldReader& fields)
    : fields_(fields), cpus_(per_cpu_bases(fields.kernel())) {
  if (cpus_.empty()) {
    problems_.emplace_back("counters: the CPUs' own parts are missing in them");
  }
  for (const auto& [number, node] : find_nodes()) add_node(node, number);
  if (zones_.empty()) problems_.emplace_back("zones: none was found");
}

std::vector<std::pair<unsigned, VirtAddr>> PageCounters::find_nodes() const {
  const Kernel& kernel = fields_.kernel();
  std::vector<std::pair<unsigned, VirtAddr>> nodes;
  if (const auto table = kernel.symbol("node_data")) {
    // MAX_NUMNODES is in VMCOREINFO on x86_64. Without it what is no pglist_data ends the table.
    const auto count = std::min(kernel.info().length("node_data").value_or(kMaxNodes), kMaxNodes);
    for (unsigned i = 0; i < count; ++i) {
      const auto node = kernel.memory().load<std::uint64_t>(*table + i * sizeof(std::uint64_t));
      if (!node) break;
      if (*node == 0) continue;
      if (fields_.value(VirtAddr{*node}, "pglist_data.node_id") != i) break;
      nodes.emplace_back(i, VirtAddr{*node});
    }
  } else if (const auto only = kernel.symbol("contig_page_data")) {
    nodes.emplace_back(0, *only);
  }
  return nodes;
}

void PageCounters::add_counters(VirtAddr owner, std::string_view array, std::string_view per_cpu,
                                std::string_view differences, std::vector<std::int64_t>& sums) {
  const VirtMemory& memory = fields_.kernel().memory();
  const auto common = fields_.member(array);
  if (!common || !common->elements) return;
  const auto count = std::min(*common->elements, kMaxItems);
  sums.resize(std::max<std::size_t>(sums.size(), count));
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto value = memory.load<std::int64_t>(owner + common->offset + i * sizeof(std::int64_t));
    if (value) sums[i] += *value;
  }
  const auto parts = fields_.pointer(owner, per_cpu);
  const auto differ = fields_.member(differences);
  if (!parts || !differ) return;
  for (const std::uint64_t base : cpus_) {
    std::vector<std::byte> bytes(std::min(differ->size, count));
    memory.read_with_holes(*parts + base + differ->offset, bytes);
    for (std::size_t i = 0; i < bytes.size(); ++i) sums[i] += static_cast<std::int8_t>(bytes[i]);
  }
}

void PageCounters::add_zone(VirtAddr zone, unsigned node) {
  const auto managed =
      fields_.first_value(zone, "zone.managed_pages.counter", "zone.managed_pages");
  if (!managed || *managed == 0) return;
  ZoneFacts facts;
  facts.at = zone;
  facts.node = node;
  facts.name = fields_.string(zone, "zone.name", kMaxZoneName);
  facts.managed = *managed;
  // struct per_cpu_zonestat since 28f836b6777b (v5.14), before part of per_cpu_pageset.
  std::vector<std::int64_t> sums;
  const bool split = fields_.has("zone.per_cpu_zonestats");
  add_counters(zone, "zone.vm_stat", split ? "zone.per_cpu_zonestats" : "zone.pageset",
               split ? "per_cpu_zonestat.vm_stat_diff" : "per_cpu_pageset.vm_stat_diff", sums);
  zone_sums_.resize(std::max(zone_sums_.size(), sums.size()));
  for (std::size_t i = 0; i < sums.size(); ++i) zone_sums_[i] += sums[i];
  const auto& types = fields_.kernel().types();
  const auto free = types ? types->enumerator("zone_stat_item", "NR_FREE_PAGES") : std::nullopt;
  if (free && *free >= 0 && static_cast<std::size_t>(*free) < sums.size()) {
    facts.free = positive(sums[static_cast<std::size_t>(*free)]);
  }
  // "watermark" until 1c30844d2dfe (v5.0), which brought the boost.
  auto marks = fields_.place(zone, "zone._watermark");
  if (!marks) marks = fields_.place(zone, "zone.watermark");
  facts.boost = fields_.value(zone, "zone.watermark_boost").value_or(0);
  const auto mark = [&](std::size_t index) {
    const auto value =
        marks
            ? fields_.kernel().memory().load<std::uint64_t>(*marks + index * sizeof(std::uint64_t))
            : Read<std::uint64_t>(0);
    return value.value_or(0) + facts.boost;
  };
  facts.min = mark(kMin);
  facts.low = mark(kLow);
  facts.high = mark(kHigh);
  facts.verdict = marks && free ? zone_verdict(facts) : "its watermarks cannot be read";
  zones_.push_back(std::move(facts));
}

void PageCounters::add_node(VirtAddr node, unsigned number) {
  add_counters(node, "pglist_data.vm_stat", "pglist_data.per_cpu_nodestats",
               "per_cpu_nodestat.vm_node_stat_diff", node_sums_);
  // Since 281e37265f21 (v4.8).
  if (const auto pages = fields_.value(node, "pglist_data.totalreserve_pages")) {
    reserve_ = reserve_.value_or(0) + *pages;
  }
  const auto zones = fields_.member("pglist_data.node_zones");
  if (!zones || !zones->elements || *zones->elements == 0) return;
  const auto size = zones->size / *zones->elements;
  for (std::uint64_t i = 0; i < std::min(*zones->elements, kMaxZones); ++i) {
    add_zone(node + zones->offset + i * size, number);
  }
}

std::optional<std::uint64_t> PageCounters::get(std::string_view item) const {
  const auto& types = fields_.kernel().types();
  if (!types) return std::nullopt;
  const auto pick = [&](std::string_view list, const std::vector<std::int64_t>& sums) {
    const auto index = types->enumerator(list, item);
    return index && *index >= 0 && static_cast<std::size_t>(*index) < sums.size()
               ? std::optional(positive(sums[static_cast<std::size_t>(*index)]))
               : std::nullopt;
  };
  if (const auto found = pick("node_stat_item", node_sums_)) return found;
  return pick("zone_stat_item", zone_sums_);
}

}  // namespace rig::analyzer
