// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/btf.h"

#include <gmock/gmock.h>

#include "analyzer/symbols/btf_text.h"
#include "fakes/synthetic_btf.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using testing::HasSubstr;

// struct page { unsigned long flags; union { struct { void *lru; }; struct { void *slab_cache;
// const u16 counts[4]; }; }; }, struct skb { u32 a:3, b:17; struct page frag; u8 *end; }
BtfBuilder example_types() {
  BtfBuilder btf;
  const int u64 = btf.integer("unsigned long", 8);
  const int u32 = btf.integer("unsigned int", 4);
  const int u16 = btf.alias("u16", btf.integer("unsigned short", 2));
  const int ptr = btf.pointer();
  const int first = btf.structure(nullptr, 8, {{"lru", ptr, 0}});
  const int second = btf.structure(
      nullptr, 16, {{"slab_cache", ptr, 0}, {"counts", btf.array(btf.constant(u16), 4), 8}});
  const int both = btf.a_union(nullptr, 16, {{"", first, 0}, {"", second, 0}});
  const int page = btf.structure("page", 24, {{"flags", u64, 0}, {"", both, 8}});
  btf.structure("skb", 40,
                {{"a", u32, 0, 0, 3}, {"b", u32, 0, 3, 17}, {"frag", page, 8}, {"end", ptr, 32}});
  btf.alias("page_t", page);
  btf.enumeration("pageflags", {{"PG_locked", 0}, {"PG_slab", 9}, {"PG_bad", -1}});
  return btf;
}

TEST(Btf, SizesComeByName) {
  const Btf btf = example_types().build();
  EXPECT_EQ(btf.size_of("page"), 24u);
  EXPECT_EQ(btf.size_of("page_t"), 24u);
  EXPECT_EQ(btf.size_of("u16"), 2u);
  EXPECT_EQ(btf.size_of("no_such_thing"), std::nullopt);
}

TEST(Btf, MembersOfAnonymousPartsCountAsTheOutersOwn) {
  const Btf btf = example_types().build();
  const auto cache = btf.member("page.slab_cache");
  ASSERT_TRUE(cache);
  EXPECT_EQ(cache->offset, 8u);
  EXPECT_EQ(cache->size, 8u);
  EXPECT_EQ(btf.member("page_t.flags")->offset, 0u);
  EXPECT_FALSE(btf.member("page.nothing"));
  EXPECT_FALSE(btf.member("page"));
  EXPECT_FALSE(btf.member("page."));
}

TEST(Btf, PathsGoThroughNestedMembers) {
  const auto counts = example_types().build().member("skb.frag.counts");
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->offset, 24u);
  EXPECT_EQ(counts->size, 8u);
  EXPECT_EQ(counts->elements, 4u);
  EXPECT_FALSE(example_types().build().member("skb.end.flags"));  // through a pointer is no path
}

TEST(Btf, BitFieldsAreCutOutOfTheirBytes) {
  const Btf btf = example_types().build();
  const auto b = btf.member("skb.b");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->bit_size, 17u);
  const std::uint32_t word = 5u | 0x1'2345u << 3 | 0xfffu << 20;
  std::vector<std::byte> object(40);
  std::memcpy(object.data(), &word, sizeof(word));
  EXPECT_EQ(extract(*b, object), 0x1'2345u);
  EXPECT_EQ(extract(*btf.member("skb.a"), object), 5u);
  EXPECT_EQ(extract(*b, ByteView(object).first(2)), std::nullopt);
}

TEST(Btf, ConstantsOfEnumsHaveTheirSign) {
  const Btf btf = example_types().build();
  EXPECT_EQ(btf.enumerator("pageflags", "PG_slab"), 9);
  EXPECT_EQ(btf.enumerator("pageflags", "PG_bad"), -1);
  EXPECT_EQ(btf.enumerator("pageflags", "PG_none"), std::nullopt);
  EXPECT_EQ(btf.enumerator("page", "PG_slab"), std::nullopt);
}

TEST(Btf, OfTwoTypesOfOneNameTheOneThatHasTheMemberAnswers) {
  BtfBuilder btf;
  const int u64 = btf.integer("unsigned long", 8);
  btf.structure("state", 8, {{"other", u64, 0}});
  btf.structure("state", 16, {{"pad", u64, 0}, {"wanted", u64, 8}});
  EXPECT_EQ(btf.build().member("state.wanted")->offset, 8u);
}

TEST(Btf, AStructThatContainsItselfGivesNoAnswerSoon) {
  BtfBuilder btf;
  // libbpf takes ids that come later: an anonymous union whose members are all itself.
  std::vector<BtfBuilder::Field> fields(200, {"", 1, 0});
  const int id = btf.a_union(nullptr, 8, fields);
  ASSERT_EQ(id, 1);
  btf.structure("loop", 8, {{"", id, 0}});
  btf.alias("ring_a", 4);
  btf.alias("ring_b", 3);
  const Btf parsed = btf.build();
  EXPECT_FALSE(parsed.member("loop.anything"));
  EXPECT_FALSE(parsed.size_of("ring_a"));
}

TEST(Btf, CutShortAtAnyByteIsAnErrorOrStillWhole) {
  const auto whole = example_types().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto parsed = Btf::parse({whole.begin(), whole.begin() + static_cast<long>(size)});
    EXPECT_FALSE(parsed) << size;
  }
}

TEST(Btf, AnyDamagedByteGivesAnAnswerOrAnError) {
  const auto whole = example_types().bytes();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned value : {0x00u, 0x7fu, 0xffu}) {
      auto bytes = whole;
      bytes[at] = static_cast<std::byte>(value);
      const auto parsed = Btf::parse(std::move(bytes));
      if (!parsed) continue;
      parsed->member("skb.frag.counts");
      parsed->size_of("page_t");
      parsed->enumerator("pageflags", "PG_bad");
    }
  }
}

TEST(Btf, WhatIsNoBtfIsSaidToBeNone) {
  const auto parsed = Btf::parse(std::vector<std::byte>(64));
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().what, HasSubstr("magic"));
}

// --- walking ---

TEST(Btf, AStructIsWalkedMemberByMember) {
  const Btf btf = example_types().build();
  const auto ids = btf.named("skb");
  ASSERT_EQ(ids.size(), 1u);
  const auto skb = btf.type(ids[0]);
  ASSERT_TRUE(skb);
  EXPECT_EQ(skb->kind, TypeKind::kStruct);
  ASSERT_EQ(skb->count, 4u);
  EXPECT_EQ(btf.field(*skb, 1)->name, "b");
  EXPECT_EQ(btf.field(*skb, 1)->bits, 3u);
  EXPECT_EQ(btf.field(*skb, 1)->bit_size, 17u);
  EXPECT_FALSE(btf.field(*skb, 4));
  EXPECT_FALSE(btf.enumerator(*skb, 0));
  EXPECT_FALSE(btf.array(*skb));
  EXPECT_EQ(btf.type(0)->kind, TypeKind::kVoid);
  EXPECT_FALSE(btf.type(static_cast<std::uint32_t>(btf.type_count()) + 1));
}

TEST(Btf, DeclarationsReadAsCDoes) {
  BtfBuilder btf;
  const int character = btf.integer("char", 1);
  const int list = btf.structure("list_head", 16, {});
  const int to_list = btf.pointer(list);
  const int proto = btf__add_func_proto(btf.raw(), 0);
  btf__add_func_param(btf.raw(), "list", to_list);
  const int handler = btf.pointer(proto);
  const auto id = [](int number) { return static_cast<std::uint32_t>(number); };
  const int text = btf.pointer(btf.constant(character));
  const int fixed = btf.constant(btf.pointer(character));
  const int matrix = btf.array(btf.array(character, 3), 2);
  const int row = btf.pointer(btf.array(character, 3));
  const int handlers = btf.array(handler, 4);
  const int unnamed = btf.a_union(nullptr, 8, {});
  const Btf types = btf.build();
  EXPECT_EQ(declaration(types, 0), "void");
  EXPECT_EQ(declaration(types, id(text), "name"), "const char *name");
  EXPECT_EQ(declaration(types, id(fixed), "name"), "char *const name");
  EXPECT_EQ(declaration(types, id(matrix), "m"), "char m[2][3]");
  EXPECT_EQ(declaration(types, id(matrix)), "char [2][3]");
  EXPECT_EQ(declaration(types, id(row), "p"), "char (*p)[3]");
  EXPECT_EQ(declaration(types, id(handler), "f"), "void (*f)(struct list_head *)");
  EXPECT_EQ(declaration(types, id(handlers), "f"), "void (*f[4])(struct list_head *)");
  EXPECT_EQ(declaration(types, id(unnamed), "u"), "union {...} u");
  EXPECT_THAT(declaration(types, 9999), HasSubstr("unknown type"));
}

TEST(Btf, APointerToItselfIsSaidToBeEndless) {
  BtfBuilder btf;
  btf.pointer(1);
  EXPECT_THAT(declaration(btf.build(), 1), HasSubstr("endless"));
}

TEST(Btf, AModulesTypesContinueTheKernels) {
  BtfBuilder kernel = example_types();
  BtfBuilder module(kernel);
  const auto of_page = static_cast<int>(kernel.build().named("page")[0]);
  module.structure("toa_cmd", 32, {{"owner", 1, 0}, {"page", of_page, 8}});
  module.structure("skb", 4, {});  // a type of its own, of the same name
  const Btf base = kernel.build();
  const auto split = Btf::parse_split(module.bytes(), base);
  ASSERT_TRUE(split) << split.error().what;
  EXPECT_EQ(split->type_count(), 2u);
  EXPECT_EQ(split->first_id(), base.type_count() + 1);
  EXPECT_EQ(split->member("toa_cmd.page.slab_cache")->offset, 16u);
  EXPECT_EQ(split->size_of("skb"), 4u);
  EXPECT_EQ(split->member("skb.end")->offset, 32u) << "the kernel's has that member";
  EXPECT_EQ(split->size_of("page"), 24u);
  EXPECT_FALSE(base.size_of("toa_cmd"));
}

}  // namespace
}  // namespace rig::analyzer
