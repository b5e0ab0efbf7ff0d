// SPDX-License-Identifier: Apache-2.0
#include "analyzer/slab_json.h"

#include <gtest/gtest.h>

namespace rig::analyzer {
namespace {

SlabFacts facts() {
  SlabFacts facts;
  facts.audited = true;
  facts.caches.push_back(
      {VirtAddr{0xffff'8880'0484'1500}, "kmalloc-1k", 1024, 1088, 60, 64, 8, 8, {"poison"}});
  SlabCorruption found;
  found.kind = CorruptionKind::kPoisonOverwritten;
  found.cache = "kmalloc-1k";
  found.slab = VirtAddr{0xffff'8880'06ad'8000};
  found.object = VirtAddr{0xffff'8880'06ad'8400};
  found.object_size = 1024;
  found.offset = 0x2c8;
  found.expected = std::vector<std::byte>(2, std::byte{0x6b});
  found.found = {std::byte{0x06}, std::byte{0x01}};
  found.allocated = false;
  found.free = ObjectTrack{
      "slub_debug", CodeLocation{VirtAddr{0x10}, "lc_complete", 0xa0, "lc"}, {}, 1u, 42u, 0.5};
  facts.corruptions.push_back(found);
  facts.unwalked.emplace_back("list \xff");
  return facts;
}

TEST(SlabJson, CorruptionsHaveBytesAddressesAndWhoFreedTheObject) {
  const auto json = slab_json(facts());
  const auto& found = json.at("corruptions").as_array().at(0).as_object();
  EXPECT_EQ(found.at("kind"), "poison-overwritten");
  EXPECT_EQ(found.at("object"), "0xffff888006ad8400");
  EXPECT_EQ(found.at("slab"), "0xffff888006ad8000");
  EXPECT_EQ(found.at("offset"), 0x2c8);
  EXPECT_EQ(found.at("expected"), "6b 6b");
  EXPECT_EQ(found.at("found"), "06 01");
  EXPECT_EQ(found.at("allocated"), false);
  EXPECT_TRUE(found.at("alloc").is_null());
  EXPECT_TRUE(found.at("pointer").is_null());
  EXPECT_TRUE(found.at("wrong_byte").is_null());
  const auto& free = found.at("free").as_object();
  EXPECT_EQ(free.at("caller").at("function"), "lc_complete");
  EXPECT_EQ(free.at("pid"), 42);
  EXPECT_EQ(free.at("seconds_ago"), 0.5);
}

TEST(SlabJson, CachesHaveTheColumnsOfKmemS) {
  const auto json = slab_json(facts());
  EXPECT_EQ(json.at("audited"), true);
  const auto& cache = json.at("caches").as_array().at(0).as_object();
  EXPECT_EQ(cache.at("name"), "kmalloc-1k");
  EXPECT_EQ(cache.at("object_size"), 1024);
  EXPECT_EQ(cache.at("allocated"), 60);
  EXPECT_EQ(cache.at("total"), 64);
  EXPECT_EQ(cache.at("slabs"), 8);
  EXPECT_EQ(cache.at("debug").as_array().at(0), "poison");
}

TEST(SlabJson, TheGuestsTextIsMadeValid) {
  EXPECT_EQ(slab_json(facts()).at("unwalked").as_array().at(0), "list \\xff");
}

}  // namespace
}  // namespace rig::analyzer
