// SPDX-License-Identifier: Apache-2.0
#include "crash/stop_points.h"

#include <gmock/gmock.h>

#include "fakes/fake_vm.h"

namespace rig::crash {
namespace {

using testing::HasSubstr;

class StopPointsTest : public testing::Test {
 protected:
  StopPointsTest() {
    machine_.functions = {{"slab_bug", VirtAddr{0x10}},   {"object_err", VirtAddr{0x20}},
                          {"oops_enter", VirtAddr{0x30}}, {"die", VirtAddr{0x40}},
                          {"panic", VirtAddr{0x50}},      {"my_driver_bug", VirtAddr{0x60}},
                          {"__warn", VirtAddr{0x70}},     {"__warn", VirtAddr{0x71}}};
  }
  Result<std::vector<std::string>> set(std::vector<std::string> names) {
    RIG_ASSIGN(const auto points,
               set_stop_points(machine_, names, Deadline::after(std::chrono::seconds(1))));
    std::vector<std::string> found;
    for (const auto& point : points) {
      found.push_back(fmt::format("{}@{}", point.function, point.address));
    }
    return found;
  }
  std::string refused(std::vector<std::string> names) {
    const auto points = set(std::move(names));
    EXPECT_FALSE(points);
    if (points) return {};
    EXPECT_EQ(points.error().blame, Blame::kInput);
    EXPECT_EQ(machine_.count("set_breakpoints"), 0u);
    return points.error().message();
  }

  fakes::FakeVm machine_;
};

TEST_F(StopPointsTest, NamedFunctionIsThatFunction) {
  EXPECT_THAT(*set({"object_err"}), testing::ElementsAre("object_err@0x20"));
  EXPECT_EQ(machine_.calls().back(), "set_breakpoints 0x20");
}

TEST_F(StopPointsTest, GroupTakesTheEarliestOfItsFunctions) {
  EXPECT_THAT(*set({"slub"}), testing::ElementsAre("slab_bug@0x10"));
  machine_.functions.erase(machine_.functions.begin());
  EXPECT_THAT(*set({"slub"}), testing::ElementsAre("object_err@0x20"));
}

TEST_F(StopPointsTest, AllReportsAreWhatThisKernelHasOfThem) {
  EXPECT_THAT(*set({"report"}),
              testing::UnorderedElementsAre("slab_bug@0x10", "oops_enter@0x30", "panic@0x50",
                                            "__warn@0x70", "__warn@0x71"));
}

TEST_F(StopPointsTest, FunctionOutsideTheTableIsFoundByItsName) {
  EXPECT_THAT(*set({"fn:my_driver_bug", "fn:panic"}),
              testing::ElementsAre("my_driver_bug@0x60", "panic@0x50"));
}

TEST_F(StopPointsTest, FunctionNamedTwiceIsSetOnce) {
  EXPECT_THAT(*set({"slub", "slab_bug"}), testing::ElementsAre("slab_bug@0x10"));
}

TEST_F(StopPointsTest, WhatTheKernelDoesNotHaveIsSaidWithWhatItHas) {
  const std::string of_group = refused({"slab_err"});
  EXPECT_THAT(of_group, HasSubstr("slab_err is not in this kernel"));
  EXPECT_THAT(of_group, HasSubstr("it has slab_bug, object_err"));
  EXPECT_THAT(refused({"kasan"}), HasSubstr("it has slab_bug, object_err, __warn"));
  EXPECT_THAT(refused({"slub", "fn:nowhere"}), HasSubstr("nowhere is not in this kernel"));
}

TEST_F(StopPointsTest, KernelThatHidesItsAddressesIsSaidSo) {
  machine_.functions.clear();
  EXPECT_THAT(refused({"slub"}), HasSubstr("kptr_restrict"));
}

}  // namespace
}  // namespace rig::crash
