// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rig {
namespace {

TEST(File, AtomicWriteReplacesTheWholeFileAndLeavesNothingBeside) {
  const auto folder = TempDir::create("rig-test");
  ASSERT_TRUE(folder);
  const fs::path path = folder->path() / "x";
  ASSERT_TRUE(write_file_atomically(path, "old"));
  ASSERT_TRUE(write_file_atomically(path, "new"));
  EXPECT_EQ(read_file(path).value(), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder->path()), fs::directory_iterator()), 1);
}

TEST(File, TempDirGoesWithItsContent) {
  fs::path path;
  {
    const auto folder = TempDir::create("rig-test");
    ASSERT_TRUE(folder);
    path = folder->path();
    ASSERT_TRUE(write_file_atomically(path / "x", "x"));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(File, MappingShowsTheBytes) {
  const auto folder = TempDir::create("rig-test");
  ASSERT_TRUE(write_file_atomically(folder->path() / "x", "content"));
  const auto mapped = MappedFile::open(folder->path() / "x");
  ASSERT_TRUE(mapped);
  EXPECT_EQ(as_text(mapped->bytes()), "content");
}

TEST(File, AbsentFileAndFolderAreInputErrors) {
  EXPECT_EQ(MappedFile::open("/no/such/file").error().blame, Blame::kInput);
  EXPECT_EQ(MappedFile::open("/").error().blame, Blame::kInput);
}

TEST(File, SecondLockWaitsUntilItsDeadline) {
  const auto folder = TempDir::create("rig-test");
  const fs::path path = folder->path() / "lock";
  auto first = FileLock::acquire(path, Deadline::after(std::chrono::seconds(1)));
  ASSERT_TRUE(first);
  EXPECT_FALSE(FileLock::acquire(path, Deadline::after(std::chrono::milliseconds(120))));
  first = fail(Blame::kRig, "released");
  EXPECT_TRUE(FileLock::acquire(path, Deadline::after(std::chrono::seconds(1))));
}

}  // namespace
}  // namespace rig
