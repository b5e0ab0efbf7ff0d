// SPDX-License-Identifier: Apache-2.0
#include "image/cache_survey.h"

#include <gmock/gmock.h>

#include "unit/image/image_fixture.h"

namespace rig::image {
namespace {

class Prune : public ImageTest {
 protected:
  // A folder of the cache that was last used so many days ago.
  fs::path entry(const std::string& name, int days) {
    const fs::path folder = path("cache/crashrig") / name;
    write(folder / "file", std::string(1000, 'x'));
    fs::last_write_time(folder, fs::file_time_type::clock::now() - std::chrono::hours(24 * days));
    return folder;
  }
  std::vector<Pruned> prune(PruneOptions options) {
    auto pruned = prune_cache(options);
    EXPECT_TRUE(pruned) << pruned.error().message();
    return pruned.value_or(std::vector<Pruned>{});
  }
};

TEST_F(Prune, OldEntriesGoAndNewOnesStay) {
  const fs::path old = entry("kernels/linux-image-6.1.0-47-amd64_1", 40);
  const fs::path fresh = entry("kernels/linux-image-6.1.0-56-amd64_1", 1);
  const fs::path source = entry("sources/linux-source-6.1_1", 40);
  const auto pruned = prune({});
  EXPECT_EQ(pruned.size(), 2U);
  EXPECT_EQ(pruned.front().bytes, 1000U);
  EXPECT_FALSE(fs::exists(old) || fs::exists(source));
  EXPECT_TRUE(fs::exists(fresh));
}

TEST_F(Prune, DryRunRemovesNothing) {
  const fs::path old = entry("modules/thing-1234", 40);
  EXPECT_EQ(prune({.dry_run = true}).size(), 1U);
  EXPECT_TRUE(fs::exists(old));
}

TEST_F(Prune, WhatSomebodyMakesIsKeptAndSaid) {
  const fs::path build = entry("builds/k_1", 40);
  fs::create_directories(path("cache/crashrig/kernels"));
  const auto lock = FileLock::acquire(path("cache/crashrig/kernels/k_1.lock"), Deadline::after({}));
  ASSERT_TRUE(lock);
  const auto pruned = prune({.older_than = std::chrono::hours(0)});
  ASSERT_EQ(pruned.size(), 1U);
  EXPECT_TRUE(pruned[0].kept);
  EXPECT_TRUE(fs::exists(build));
}

TEST_F(Prune, WhileARunIsUnderWayWhatItMayUseStays) {
  const fs::path fresh = entry("initramfs/x.cpio", 0);
  const fs::path old = entry("initramfs/y.cpio", 2);
  {
    const auto use = use_cache();
    ASSERT_TRUE(use);
    prune({.older_than = std::chrono::hours(0)});
    EXPECT_TRUE(fs::exists(fresh));
    EXPECT_FALSE(fs::exists(old));
  }
  prune({.older_than = std::chrono::hours(0)});
  EXPECT_FALSE(fs::exists(fresh));
}

TEST_F(Prune, UseIsNoted) {
  const fs::path old = entry("kernels/k_1", 40);
  mark_used(old);
  EXPECT_TRUE(prune({}).empty());
}

}  // namespace
}  // namespace rig::image
