// SPDX-License-Identifier: Apache-2.0
// Texts about production crashes in RIG_SEEDS, with logs inside, as people paste them into web
// pages; this file is compiled only where they are at hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "oops/report.h"

namespace rig::oops {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The text whose file's name begins so.
std::optional<std::string> text_of(std::string_view prefix) {
  for (const auto& entry : fs::directory_iterator(RIG_SEEDS)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    if (auto text = read_file(entry.path())) return std::move(*text);
  }
  return std::nullopt;
}

// The reports of a text whose lines were not lost.
std::vector<std::string> titles_of(std::string_view prefix) {
  const auto text = text_of(prefix);
  EXPECT_TRUE(text) << "no text " << prefix << " in " << RIG_SEEDS;
  std::vector<std::string> titles;
  for (const Report& report : parse_reports(text.value_or(""))) titles.push_back(report.title);
  return titles;
}

// Pasted without line ends.
TEST(Seeds, ReportsOnOneLineAreTold) {
  EXPECT_THAT(titles_of("000"),
              ElementsAre("KASAN: slab-out-of-bounds Read in isolate_migratepages_range",
                          "KASAN: slab-out-of-bounds Read in balloon_page_isolate"));
}

// The page that 001 was copied from tells the message a second time, without its stack.
TEST(Seeds, APanicAndTheReportThatExplainsItAreTold) {
  const auto reports = parse_reports(text_of("001").value_or(""));
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_EQ(reports[0].title,
            "BUG: unable to handle kernel NULL pointer dereference in skb_release_data");
  EXPECT_EQ(reports[0].address, 0x106u);
  EXPECT_EQ(reports[0].comm, "ksoftirqd/28");
  EXPECT_EQ(reports[1].title, reports[0].title);
  EXPECT_TRUE(reports[1].corrupted);
  EXPECT_EQ(reports[2].title, "SLUB: poison overwritten in __blk_put_request");
  EXPECT_EQ(reports[2].cache, "kmalloc-1024");
  EXPECT_EQ(reports[2].object.offset, 0x2c8u);
  EXPECT_EQ(reports[2].object.bytes, "0x6 instead of 0x6b");
  EXPECT_EQ(reports[2].allocated.front().function, "alloc_request_size");
  EXPECT_EQ(reports[2].freed.front().function, "__blk_put_request");
}

TEST(Seeds, WhatADebuggerPrintsIsNoReport) {
  EXPECT_THAT(titles_of("002"), IsEmpty());
}

// 003 quotes the kernel's source too, which holds the messages' forms.
TEST(Seeds, SourceCodeIsNoReport) {
  EXPECT_THAT(
      titles_of("003"),
      ElementsAre("WARNING in dentry_free",
                  "BUG: unable to handle kernel NULL pointer dereference in ext4_i_callback"));
}

// The page has lost line ends, every '+' and the stack's heading.
TEST(Seeds, WhatAWebPageLostIsMadeUpFor) {
  const auto reports = parse_reports(text_of("004").value_or(""));
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].title, "WARNING in irq_fpu_usable");
  EXPECT_EQ(reports[0].function, "irq_fpu_usable");
  EXPECT_EQ(reports[0].comm, "bash");
  EXPECT_EQ(reports[0].registers.at("RBX"), 0xffffffffa30c6740u);
  ASSERT_GE(reports[0].frames.size(), 3u);
  EXPECT_EQ(reports[0].frames[1].function, "blake2s_compress");
  EXPECT_EQ(reports[0].frames[1].offset, 0x20u);
}

}  // namespace
}  // namespace rig::oops
