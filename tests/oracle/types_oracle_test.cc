// SPDX-License-Identifier: Apache-2.0
// The layout of types: ours from the kernel's BTF, crash's from DWARF.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "oracle/layout_compare.h"
#include "oracle/sides.h"

namespace rig::oracle {
namespace {

constexpr std::size_t kTypes = 240;  // crash takes 0.2 s for each

// Types to begin with; the others are those that these mention.
const char* const kRoots[] = {"task_struct", "module",  "kmem_cache", "super_block",
                              "page",        "sk_buff", "pci_dev",    "request_queue",
                              "mm_struct",   "rq",      "inode",      "perf_event"};

struct KnownDifference {
  const char* type;
  const char* reason;
};
// Types that are left out, with the reason why the two cannot agree.
const KnownDifference kKnownDifferences[] = {
    {"audit_context", "crash gives ipc.uid and ipc.gid the offsets of the outer uid and gid"},
};

bool is_known(const std::string& type) {
  return std::any_of(std::begin(kKnownDifferences), std::end(kKnownDifferences),
                     [&](const KnownDifference& each) { return type == each.type; });
}

// "struct foo" anywhere in `text`.
std::vector<std::string> mentioned_structs(const std::string& text) {
  std::vector<std::string> found;
  for (const std::string& line : lines(text)) {
    const std::vector<std::string> parts = words(line);
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      std::string name = parts[i + 1];
      if (!parts[i].ends_with("struct") || name == "{") continue;
      name.erase(std::find_if(name.begin(), name.end(),
                              [](unsigned char c) { return !std::isalnum(c) && c != '_'; }),
                 name.end());
      if (!name.empty()) found.push_back(name);
    }
  }
  return found;
}

// Our answers for kTypes types, breadth first from kRoots.
std::map<std::string, std::string> reachable_layouts(const std::string& core) {
  std::map<std::string, std::string> known;
  std::vector<std::string> next(std::begin(kRoots), std::end(kRoots));
  while (!next.empty() && known.size() < kTypes) {
    std::vector<std::string> questions;
    for (const std::string& name : next) questions.push_back("struct -xo " + name);
    const Answers answers = ask_crashrig(core, questions);
    std::vector<std::string> mentioned;
    for (std::size_t i = 0; i < next.size() && known.size() < kTypes; ++i) {
      if (answers[i].empty()) continue;  // declared, never defined
      known[next[i]] = answers[i];
      for (const std::string& name : mentioned_structs(answers[i])) mentioned.push_back(name);
    }
    std::sort(mentioned.begin(), mentioned.end());
    mentioned.erase(std::unique(mentioned.begin(), mentioned.end()), mentioned.end());
    std::erase_if(mentioned, [&](const auto& name) { return known.contains(name); });
    next = mentioned;
  }
  return known;
}

class TypesOracle : public testing::TestWithParam<std::string> {};

TEST_P(TypesOracle, MembersOffsetsAndSizesAgree) {
  const auto ours = reachable_layouts(GetParam());
  ASSERT_EQ(ours.size(), kTypes);
  std::vector<std::string> commands;
  for (const auto& [name, layout] : ours) commands.push_back("struct -xo " + name);
  const Answers theirs = ask_crash(GetParam(), commands);

  std::size_t compared = 0, unknown_to_crash = 0, offsets = 0, i = 0;
  for (const auto& [name, layout] : ours) {
    const std::string& answer = theirs[i++];
    if (answer.find("invalid data structure reference") != std::string::npos) ++unknown_to_crash;
    if (answer.find("SIZE:") == std::string::npos || is_known(name)) continue;
    const LayoutComparison comparison = compare_layouts(layout, answer);
    ++compared;
    offsets += comparison.offsets;
    for (const LayoutDifference& each : comparison.differences) {
      ADD_FAILURE() << name << "\n   ours: " << each.ours << "\n  crash: " << each.theirs;
    }
  }
  fmt::print("{} types, {} offsets printed by both; {} unknown to crash\n", compared, offsets,
             unknown_to_crash);
  EXPECT_GT(compared, kTypes * 9 / 10);
  EXPECT_GT(offsets, 2000u);
}

INSTANTIATE_TEST_SUITE_P(Cores, TypesOracle, testing::ValuesIn(cores()));

TEST(LayoutCompare, AWrongOffsetOrSizeIsADifference) {
  EXPECT_EQ(compare_layouts("[0x8] int a;", "[0x8] int a;").offsets, 1u);
  EXPECT_EQ(compare_layouts("[0x8] int a;", "[0x4] int a;").differences.size(), 1u);
  EXPECT_EQ(compare_layouts("SIZE: 0x10", "SIZE: 0x18").differences.size(), 1u);
}

TEST(LayoutCompare, WhatBtfCannotTellIsNoDifference) {
  EXPECT_TRUE(compare_layouts("[0x8] int a[0];", "[0x8] int a[];").differences.empty());
  EXPECT_TRUE(compare_layouts("[0x8] int a[18];", "[0x8] int a[2][9];").differences.empty());
  EXPECT_EQ(compare_layouts("[0x8] int a[18];", "[0x8] int a[2][8];").differences.size(), 1u);
  EXPECT_TRUE(compare_layouts("[0x8] int a;\n} w;", "int a;\n[0x8] } w;").differences.empty());
}

}  // namespace
}  // namespace rig::oracle
