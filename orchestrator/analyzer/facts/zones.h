// SPDX-License-Identifier: Apache-2.0
// The guest's nodes and zones, and the page counters in them: include/linux/mmzone.h, mm/vmstat.c.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analyzer/facts/field_reader.h"
#include "analyzer/guest_facts.h"

namespace rig::analyzer {

// All zones' and nodes' counters, added up: what vm_zone_stat and vm_node_stat hold, and what each
// CPU has counted since it last handed its part over. So they may differ from the guest's own
// /proc/meminfo, which leaves the CPUs' parts out.
class PageCounters {
 public:
  // Finds the nodes through node_data (NUMA) or contig_page_data.
  explicit PageCounters(const FieldReader& fields);

  // By the name of enum zone_stat_item or node_stat_item, which this kernel's types must have:
  // items moved from one to the other, and their numbers differ from build to build. Never
  // negative.
  std::optional<std::uint64_t> get(std::string_view item) const;

  // What calculate_totalreserve_pages() keeps back in each node, added up: `totalreserve_pages`.
  std::optional<std::uint64_t> reserve() const { return reserve_; }
  // Every zone that has memory, with its watermarks.
  const std::vector<ZoneFacts>& zones() const { return zones_; }
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  void add_node(VirtAddr node, unsigned number);
  void add_zone(VirtAddr zone, unsigned node);
  // Adds an array of atomic_long_t and each CPU's array of signed bytes to `sums`.
  void add_counters(VirtAddr owner, std::string_view array, std::string_view per_cpu,
                    std::string_view differences, std::vector<std::int64_t>& sums);
  std::vector<std::pair<unsigned, VirtAddr>> find_nodes() const;

  const FieldReader& fields_;
  std::vector<std::uint64_t> cpus_;
  std::vector<std::int64_t> zone_sums_, node_sums_;
  std::optional<std::uint64_t> reserve_;
  std::vector<ZoneFacts> zones_;
  std::vector<std::string> problems_;
};

// What a zone's watermarks mean for whoever allocates from it now.
std::string zone_verdict(const ZoneFacts& zone);

}  // namespace rig::analyzer
