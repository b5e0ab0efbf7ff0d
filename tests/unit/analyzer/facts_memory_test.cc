// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/memory_facts.h"

#include <gmock/gmock.h>

#include "analyzer/facts/guest_walks.h"
#include "analyzer/facts/memory_size.h"
#include "analyzer/facts/zones.h"
#include "fakes/fake_guest.h"

namespace rig::analyzer {
namespace {

using fake::FakeGuest;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

// One node with two zones, one of them empty, and two CPUs.
class Memory : public testing::Test {
 protected:
  Memory() {
    FakeGuest& g = guest;
    g.enumeration("zone_stat_item", {{"NR_FREE_PAGES", 0}, {"NR_MLOCK", 1}});
    g.enumeration("node_stat_item", {{"NR_ACTIVE_FILE", 0},
                                     {"NR_INACTIVE_FILE", 1},
                                     {"NR_SLAB_RECLAIMABLE_B", 2},
                                     {"NR_SLAB_UNRECLAIMABLE_B", 3},
                                     {"NR_ANON_MAPPED", 4},
                                     {"NR_FILE_PAGES", 5}});
    g.type("per_cpu_zonestat", {{"vm_stat_diff", g.array(g.s8, 2)}});
    g.type("per_cpu_nodestat", {{"vm_node_stat_diff", g.array(g.s8, 6)}});
    const int zone_type = g.type("zone", {{"_watermark", g.array(g.u64, 3)},
                                          {"watermark_boost", g.u64},
                                          {"per_cpu_zonestats", g.pointer},
                                          {"managed_pages", g.atomic64},
                                          {"name", g.pointer},
                                          {"vm_stat", g.array(g.atomic64, 2)}});
    g.type("pglist_data", {{"node_zones", g.array(zone_type, 2)},
                           {"node_id", g.u32},
                           {"totalreserve_pages", g.u64},
                           {"per_cpu_nodestats", g.pointer},
                           {"vm_stat", g.array(g.atomic64, 6)}});
    g.type("percpu_counter", {{"count", g.u64}, {"counters", g.pointer}});
    node = g.make("pglist_data");
    zone = g.place(node, "pglist_data.node_zones");
    g.set(zone, "zone.managed_pages.counter", 100'000);
    g.set_string(zone, "zone.name", "Normal");
    for (unsigned i = 0; i < 3; ++i) {
      g.memory.put(raw(g.place(zone, "zone._watermark")) + i * 8, std::uint64_t{100} * (i + 1));
    }
    const VirtAddr offsets = g.room(16), table = g.room(8);
    g.memory.put(raw(offsets), std::uint64_t{0x10});
    g.memory.put(raw(offsets) + 8, std::uint64_t{0x1010});
    g.memory.put(raw(table), raw(node));
    g.symbol("__per_cpu_offset", offsets);
    g.symbol("node_data", table);
    g.info("LENGTH(node_data)=1");
    g.variable("nr_cpu_ids", 2);
  }

  void zone_stat(unsigned item, std::int64_t value) {
    guest.memory.put(raw(guest.place(zone, "zone.vm_stat")) + item * 8, value);
  }
  void node_stat(unsigned item, std::int64_t value) {
    guest.memory.put(raw(guest.place(node, "pglist_data.vm_stat")) + item * 8, value);
  }
  static std::optional<std::uint64_t> row(const std::vector<MemoryRow>& rows,
                                          std::string_view name) {
    for (const MemoryRow& each : rows) {
      if (each.name == name) return each.pages;
    }
    return std::nullopt;
  }

  FakeGuest guest;
  VirtAddr node{}, zone{};
};

TEST(MemorySize, HasBinaryUnits) {
  EXPECT_EQ(memory_size(512 << 20), "512.0 MiB");
  EXPECT_EQ(memory_size(1000), "1000 B");
}

TEST_F(Memory, WhatTheCpusHaveNotHandedOverIsCounted) {
  zone_stat(0, 5000);
  const VirtAddr parts = guest.room(0x2000);
  guest.set(zone, "zone.per_cpu_zonestats", parts - 0x10);
  guest.memory.put(raw(parts), std::int8_t{-7});
  guest.memory.put(raw(parts) + 0x1000, std::int8_t{3});
  const FieldReader fields(guest.kernel());
  const PageCounters counters(fields);
  EXPECT_EQ(counters.get("NR_FREE_PAGES"), 4996u);
  ASSERT_THAT(counters.zones(), SizeIs(1));
  EXPECT_EQ(counters.zones()[0].free, 4996u);
  EXPECT_EQ(counters.zones()[0].name, "Normal");
}

TEST_F(Memory, CountersBelowZeroAreNoneAndUnknownOnesAbsent) {
  node_stat(4, -3);
  const FieldReader fields(guest.kernel());
  const PageCounters counters(fields);
  EXPECT_EQ(counters.get("NR_ANON_MAPPED"), 0u);
  EXPECT_EQ(counters.get("NR_SWAPCACHE"), std::nullopt);
}

TEST_F(Memory, WatermarksSayWhoHasToReclaim) {
  ZoneFacts facts;
  facts.min = 100;
  facts.low = 200;
  facts.high = 300;
  const auto verdict = [&](std::uint64_t free) {
    facts.free = free;
    return zone_verdict(facts);
  };
  EXPECT_THAT(verdict(100), HasSubstr("below min"));
  EXPECT_THAT(verdict(101), HasSubstr("below low"));
  EXPECT_THAT(verdict(300), HasSubstr("between"));
  EXPECT_EQ(verdict(301), "above high");
}

TEST_F(Memory, ABoostRaisesAllWatermarks) {
  guest.set(zone, "zone.watermark_boost", 50);
  zone_stat(0, 240);
  const auto facts = memory_facts(guest.kernel(), 4096);
  ASSERT_THAT(facts.zones, SizeIs(1));
  EXPECT_EQ(facts.zones[0].low, 250u);
  EXPECT_THAT(facts.zones[0].verdict, HasSubstr("below low"));
}

TEST_F(Memory, RowsAddUpAndLeaveOutWhatTheCoreLacks) {
  zone_stat(0, 60'000);
  node_stat(2, 30);
  node_stat(3, 12);
  node_stat(0, 400);
  node_stat(1, 600);
  guest.variable("totalreserve_pages", 1000);
  guest.variable("total_swap_pages", 0);
  guest.variable("sysctl_overcommit_ratio", 50);
  const auto facts = memory_facts(guest.kernel(), 4096);
  EXPECT_EQ(row(facts.rows, "TOTAL MEM"), 100'000u);
  EXPECT_EQ(row(facts.rows, "USED"), 40'000u);
  EXPECT_EQ(row(facts.rows, "SLAB"), 42u);
  EXPECT_EQ(row(facts.rows, "COMMIT LIMIT"), 50'000u);
  EXPECT_EQ(row(facts.rows, "BUFFERS"), std::nullopt);
  // Of the page cache and of the slab all but what the low watermark (200) keeps, or the half.
  EXPECT_EQ(row(facts.meminfo, "MemAvailable"), 60'000u + (1000 - 200) + (30 - 15) - 1000);
  EXPECT_THAT(facts.verdict, HasSubstr("no shortage"));
}

TEST_F(Memory, WhatIsAvailableIsToldByTheNodesWhereNoVariableSaysTheReserve) {
  zone_stat(0, 60'000);
  node_stat(0, 400);
  node_stat(1, 600);
  node_stat(2, 30);
  guest.set(node, "pglist_data.totalreserve_pages", 700);
  const auto facts = memory_facts(guest.kernel(), 4096);
  EXPECT_EQ(row(facts.meminfo, "MemAvailable"), 60'000u + (1000 - 200) + (30 - 15) - 700);
}

TEST_F(Memory, LowMemoryWithoutSwapIsSaidInWords) {
  zone_stat(0, 700);
  node_stat(4, 90'000);
  guest.variable("total_swap_pages", 0);
  const auto low = memory_facts(guest.kernel(), 4096);
  EXPECT_THAT(low.verdict, HasSubstr("(0.7 %): memory is low"));
  EXPECT_THAT(low.verdict, HasSubstr("most of what is used is anonymous memory: 351.6 MiB"));
  EXPECT_THAT(low.verdict, HasSubstr("there is no swap, so the 351.6 MiB of anonymous memory"));
  zone_stat(0, 150);
  EXPECT_THAT(memory_facts(guest.kernel(), 4096).verdict,
              HasSubstr("below the low watermark in Normal of node 0"));
}

TEST_F(Memory, MemoryThatNoCounterHasIsSaidToBeNobodys) {
  zone_stat(0, 150);
  node_stat(4, 1000);
  EXPECT_THAT(memory_facts(guest.kernel(), 4096).verdict,
              HasSubstr("most of what is used is no counter's (pages that drivers took, or lost "
                        "ones): 386.1 MiB"));
}

TEST_F(Memory, SwapThatIsThereIsNotCalledMissing) {
  zone_stat(0, 700);
  guest.variable("total_swap_pages", 1000);
  guest.variable("nr_swap_pages", 900);
  const auto facts = memory_facts(guest.kernel(), 4096);
  EXPECT_EQ(row(facts.rows, "SWAP USED"), 100u);
  EXPECT_THAT(facts.verdict, Not(HasSubstr("swap")));
}

TEST_F(Memory, WithoutZonesNothingIsClaimed) {
  guest.set(zone, "zone.managed_pages.counter", 0);
  const auto facts = memory_facts(guest.kernel(), 4096);
  EXPECT_THAT(facts.zones, SizeIs(0));
  EXPECT_EQ(facts.verdict, "how much memory is free is not known");
  EXPECT_THAT(facts.problems, Contains(HasSubstr("zones: none")));
}

TEST(GuestWalks, ATreeIsWalkedInOrderAndItsCyclesEnd) {
  FakeGuest guest;
  guest.type("rb_node", {{"rb_right", guest.pointer}, {"rb_left", guest.pointer}});
  guest.type("rb_root", {{"rb_node", guest.pointer}});
  const VirtAddr root = guest.make("rb_root"), a = guest.make("rb_node"), b = guest.make("rb_node"),
                 c = guest.make("rb_node");
  guest.set(root, "rb_root.rb_node", b);
  guest.set(b, "rb_node.rb_left", a);
  guest.set(b, "rb_node.rb_right", c);
  std::vector<VirtAddr> seen;
  const FieldReader fields(guest.kernel());
  const auto visit = [&](VirtAddr at) { seen.push_back(at); };
  EXPECT_EQ(walk_rbtree(fields, root, 0, visit), "");
  EXPECT_THAT(seen, ElementsAre(a, b, c));
  guest.set(c, "rb_node.rb_left", b);
  EXPECT_THAT(walk_rbtree(fields, root, 0, visit), HasSubstr("circle"));
}

TEST(GuestWalks, AListOfTooManyElementsEndsAtItsBound) {
  FakeGuest guest;
  guest.type("item", {{"link", guest.list_head}});
  const VirtAddr head = guest.make("list_head");
  std::vector<VirtAddr> items;
  for (unsigned i = 0; i < 5; ++i) items.push_back(guest.make("item"));
  guest.link(head, "item.link", items);
  std::size_t count = 0;
  const auto visit = [&](VirtAddr) { ++count; };
  EXPECT_EQ(walk_list(guest.memory, head, 0, visit, 5), "");
  EXPECT_EQ(count, 5u);
  EXPECT_THAT(walk_list(guest.memory, head, 0, visit, 4), HasSubstr("more than 4"));
}

}  // namespace
}  // namespace rig::analyzer
