// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/system_facts.h"

#include <gmock/gmock.h>

#include "analyzer/facts/clock.h"
#include "analyzer/facts/module_facts.h"
#include "analyzer/facts/taint.h"
#include "fakes/fake_guest.h"

namespace rig::analyzer {
namespace {

using fake::FakeGuest;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class Clock : public testing::Test {
 protected:
  Clock() {
    FakeGuest& g = guest;
    const int seq = g.type("seqcount_raw_spinlock_t", {{"sequence", g.u32}});
    const int mono = g.type("tk_read_base", {{"xtime_nsec", g.u64}, {"shift", g.u32}});
    const int spec = g.type("timespec64", {{"tv_sec", g.u64}, {"tv_nsec", g.u64}});
    g.type("timekeeper", {{"tkr_mono", mono},
                          {"xtime_sec", g.u64},
                          {"wall_to_monotonic", spec},
                          {"offs_boot", g.u64}});
    (void)seq;
    const VirtAddr core = g.room(256);
    keeper = core + 8;
    g.symbol("tk_core", core);
    g.set(keeper, "timekeeper.xtime_sec", 1'700'000'000);
    g.set(keeper, "timekeeper.tkr_mono.xtime_nsec", 500'000'000ull << 8);
    g.set(keeper, "timekeeper.tkr_mono.shift", 8);
    g.set(keeper, "timekeeper.wall_to_monotonic.tv_sec",
          static_cast<std::uint64_t>(-1'699'999'990));
    g.set(keeper, "timekeeper.wall_to_monotonic.tv_nsec", 250'000'000);
  }
  std::optional<GuestClock> read() { return read_timekeeper(FieldReader(guest.kernel())); }

  FakeGuest guest;
  VirtAddr keeper{};
};

TEST_F(Clock, TheTimekeeperGivesTheTimeOfDayAndTheTimeSinceTheBoot) {
  const auto clock = read();
  ASSERT_TRUE(clock);
  EXPECT_EQ(clock->wall, 1'700'000'000u);
  EXPECT_NEAR(clock->since_boot, 10.75, 1e-6);
}

TEST_F(Clock, ATimekeeperThatMakesNoSenseIsNone) {
  guest.set(keeper, "timekeeper.tkr_mono.shift", 77);
  EXPECT_FALSE(read());
  guest.set(keeper, "timekeeper.tkr_mono.shift", 8);
  guest.set(keeper, "timekeeper.wall_to_monotonic.tv_sec",
            static_cast<std::uint64_t>(-1'800'000'000));
  EXPECT_FALSE(read());
}

TEST_F(Clock, JiffiesCountFromFiveMinutesBeforeTheirOverflow) {
  guest.variable("tick_nsec", 4'000'000);
  guest.variable("jiffies_64", (1ull << 32) - 300 * 250 + 1000);
  const auto uptime = uptime_by_jiffies(guest.kernel());
  ASSERT_TRUE(uptime);
  EXPECT_DOUBLE_EQ(*uptime, 4.0);
}

TEST(Taint, BitsAreLettersAndWords) {
  const auto flags = taint_flags(std::uint64_t{1} << 9 | 1 << 12 | 1ull << 40);
  ASSERT_THAT(flags, SizeIs(3));
  EXPECT_EQ(flags[0].letter, 'W');
  EXPECT_EQ(flags[1].letter, 'O');
  EXPECT_EQ(flags[2].letter, '?');
  EXPECT_THAT(flags[2].meaning, HasSubstr("40"));
  EXPECT_EQ(taint_letters(1 << 12 | 1 << 13), "OE");
  EXPECT_THAT(taint_flags("G        W  OE"), SizeIs(3));
}

TEST(PanicMessage, IsWhatFollowsTheKernelsOwnMark) {
  EXPECT_EQ(panic_message("[1] x\n[2] Kernel panic - not syncing: Fatal exception\n[3] y\n"),
            "Fatal exception");
  EXPECT_EQ(panic_message("all is well\n"), std::nullopt);
}

// Two modules of the layout since v6.4; the second uses the first.
TEST(ModuleList, SizesTaintAndUsersAreThoseOfProcModules) {
  FakeGuest guest;
  const int memory = guest.type("module_memory", {{"base", guest.pointer}, {"size", guest.u32}});
  const int atomic = guest.type("atomic_t", {{"counter", guest.u32}});
  guest.type("module", {{"state", guest.u32},
                        {"list", guest.list_head},
                        {"name", guest.comm},
                        {"mem", guest.array(memory, 3)},
                        {"taints", guest.u64},
                        {"source_list", guest.list_head},
                        {"refcnt", atomic}});
  guest.type("module_use", {{"source_list", guest.list_head}, {"source", guest.pointer}});
  const VirtAddr head = guest.make("list_head"), used = guest.make("module"),
                 user = guest.make("module"), use = guest.make("module_use");
  guest.set_text(used, "module.name", "library");
  guest.set_text(user, "module.name", "driver");
  guest.link(head, "module.list", {used, user});
  guest.link(guest.place(used, "module.source_list"), "module_use.source_list", {use});
  guest.link(guest.place(user, "module.source_list"), "module_use.source_list", {});
  guest.set(use, "module_use.source", user);
  guest.set(used, "module.refcnt.counter", 2);
  guest.set(used, "module.taints", 1 << 12);
  for (unsigned i = 0; i < 3; ++i) {
    const VirtAddr part = guest.place(used, "module.mem") + i * 16;
    guest.set(part, "module_memory.base", 0xffff'ffff'c000'0000 + i * 0x1000);
    guest.set(part, "module_memory.size", 4096);
  }
  std::vector<std::string> problems;
  auto modules = Modules::read(guest.memory, guest.types(), head, problems);
  ASSERT_TRUE(modules) << modules.error().message();
  const auto facts = module_facts(guest.kernel(*std::move(modules)), problems);
  ASSERT_THAT(facts, SizeIs(2));
  EXPECT_EQ(facts[0].name, "library");
  EXPECT_EQ(facts[0].size, 3u * 4096);
  EXPECT_EQ(facts[0].state, "Live");
  EXPECT_EQ(facts[0].taint, "O");
  EXPECT_EQ(facts[0].references, 1);
  EXPECT_THAT(facts[0].used_by, ElementsAre("driver"));
  EXPECT_THAT(facts[1].used_by, SizeIs(0));
}

}  // namespace
}  // namespace rig::analyzer
