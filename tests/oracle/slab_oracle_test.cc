// SPDX-License-Identifier: Apache-2.0
// The slab caches: what each holds, and what the objects in it are.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "oracle/sides.h"

namespace rig::oracle {
namespace {

// "ffff888004841500  64  1949  2048  32  4k  kmalloc-64"
struct CacheRow {
  std::uint64_t object_size = 0, allocated = 0, total = 0, slabs = 0;
  std::string slab_size, name;
  bool operator==(const CacheRow&) const = default;
};

void PrintTo(const CacheRow& row, std::ostream* out) {
  *out << fmt::format("{} objsize {} allocated {} total {} slabs {} ssize {}", row.name,
                      row.object_size, row.allocated, row.total, row.slabs, row.slab_size);
}

std::map<std::string, CacheRow> cache_rows(const std::string& text) {
  std::map<std::string, CacheRow> rows;
  for (const std::string& line : lines(text)) {
    const auto parts = words(line);
    if (parts.size() < 7 || !hex(parts[0]) || parts[0].size() != 16) continue;
    const bool numbers = std::all_of(parts.begin() + 1, parts.begin() + 5, [](const auto& each) {
      return each.size() < 10 && each.find_first_not_of("0123456789") == std::string::npos;
    });
    if (!numbers || !parts[5].ends_with('k')) continue;  // a line of another table
    rows[parts[0]] = {std::stoull(parts[1]),
                      std::stoull(parts[2]),
                      std::stoull(parts[3]),
                      std::stoull(parts[4]),
                      parts[5],
                      parts[6]};
  }
  return rows;
}

class SlabOracle : public testing::TestWithParam<std::string> {};

// Free objects in the slabs of that cache that lie on a CPU's partial list.
std::uint64_t free_on_cpu_partial_lists(const std::string& core, const std::string& cache) {
  std::uint64_t free = 0;
  for (const std::string& line : lines(ask_crashrig(core, {"slab " + cache})[0])) {
    const auto parts = words(line);  // SLAB PAGE partial, CPU OBJECTS USED FREE
    if (parts.size() >= 7 && parts[2] == "partial," && parts[3] == "CPU") {
      free += std::stoull(parts[6]);
    }
  }
  return free;
}

TEST_P(SlabOracle, EveryCacheHoldsWhatCrashSays) {
  const auto theirs = cache_rows(ask_crash(GetParam(), {"kmem -s"})[0]);
  const auto ours = cache_rows(ask_crashrig(GetParam(), {"slab"})[0]);
  ASSERT_GT(theirs.size(), 100u);
  ASSERT_EQ(ours.size(), theirs.size());
  std::size_t known = 0;
  for (const auto& [address, row] : theirs) {
    ASSERT_TRUE(ours.contains(address)) << row.name;
    CacheRow mine = ours.at(address);
    // crash does not look at the partial list of a CPU that has no slab to allocate from.
    if (mine.allocated < row.allocated &&
        row.allocated - mine.allocated <= free_on_cpu_partial_lists(GetParam(), row.name)) {
      mine.allocated = row.allocated;
      ++known;
    }
    EXPECT_EQ(mine, row);
  }
  fmt::print("{} caches; in {} crash leaves out CPU partial lists\n", theirs.size(), known);
}

// "   ffff888006176000  (cpu 0 cache)" is free, "  [ffff888006176100]" allocated.
std::map<std::string, bool> objects(const std::string& text) {
  std::map<std::string, bool> found;
  bool listing = false;
  for (const std::string& line : lines(text)) {
    const auto parts = words(line);
    if (parts.empty()) continue;
    if (parts[0] == "FREE") {
      listing = true;
      continue;
    }
    const bool allocated = parts[0].starts_with('[');
    const std::string address = allocated ? parts[0].substr(1, parts[0].size() - 2) : parts[0];
    listing = listing && hex(address) && address.size() == 16;
    if (listing) found[address] = allocated;
  }
  return found;
}

TEST_P(SlabOracle, ObjectsOfSlabsOnListsAreAllocatedOrFreeAsCrashSays) {
  const std::vector<std::string> caches = {"kmalloc-64", "kmalloc-1k", "dentry", "filp"};
  std::vector<std::string> commands;
  for (const std::string& each : caches) commands.push_back("kmem -S " + each);
  std::map<std::string, bool> theirs;
  for (const std::string& text : ask_crash(GetParam(), commands)) theirs.merge(objects(text));
  ASSERT_GT(theirs.size(), 50u);
  std::vector<std::string> questions;
  for (const auto& [address, allocated] : theirs) questions.push_back("slab 0x" + address);
  const Answers answers = ask_crashrig(GetParam(), questions);
  std::size_t index = 0, free = 0;
  for (const auto& [address, allocated] : theirs) {
    const std::string& answer = answers[index++];
    EXPECT_THAT(answer, testing::HasSubstr("object 0x" + address + " of"));
    EXPECT_THAT(answer, testing::HasSubstr(allocated ? "  allocated: " : "  free: ")) << address;
    free += allocated ? 0 : 1;
  }
  fmt::print("{} objects, {} of them free\n", theirs.size(), free);
}

// An address in the middle of every so many-th slab of some caches.
std::vector<std::string> addresses(const std::string& core) {
  std::vector<std::string> found;
  for (const std::string cache : {"kmalloc-192", "inode_cache", "task_struct", "vm_area_struct"}) {
    for (const std::string& line : lines(ask_crashrig(core, {"slab " + cache})[0])) {
      const auto parts = words(line);  // SLAB PAGE WHERE OBJECTS USED FREE
      const auto begin = parts.size() >= 6 ? hex(parts[0]) : std::nullopt;
      if (begin && hex(parts[1])) found.push_back(hex(*begin + 0x428));
    }
  }
  return spread(found, 24);
}

TEST_P(SlabOracle, AddressesLieInTheObjectsThatCrashSays) {
  const auto asked = addresses(GetParam());
  ASSERT_GT(asked.size(), 10u);
  std::vector<std::string> commands, questions;
  for (const std::string& each : asked) {
    commands.push_back("kmem " + each);
    questions.push_back("slab 0x" + each);
  }
  const Answers theirs = ask_crash(GetParam(), commands);
  const Answers ours = ask_crashrig(GetParam(), questions);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto rows = cache_rows(theirs[i]);
    const auto object = objects(theirs[i]);
    if (rows.size() != 1 || object.size() != 1) {
      ADD_FAILURE() << "crash says of " << asked[i] << ": " << theirs[i];
      continue;
    }
    EXPECT_THAT(ours[i],
                testing::HasSubstr(fmt::format("{} object 0x{} of", rows.begin()->second.name,
                                               object.begin()->first)));
    EXPECT_THAT(ours[i], testing::HasSubstr(object.begin()->second ? "  allocated: " : "  free: "));
  }
  fmt::print("{} addresses\n", asked.size());
}

INSTANTIATE_TEST_SUITE_P(Cores, SlabOracle, testing::ValuesIn(cores()));
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SlabOracle);

}  // namespace
}  // namespace rig::oracle
