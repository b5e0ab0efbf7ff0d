// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "analyzer/facts/type_ranking.h"
#include "analyzer/facts/type_scorer.h"
#include "fakes/synthetic_btf.h"
#include "fakes/synthetic_kallsyms.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using fake::FakeVirtMemory;
using fake::KallsymsTables;
using fake::kText;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kComplete = kText + 0x100, kRelease = kText + 0x200, kEnd = kText + 0x300;
constexpr std::uint64_t kObject = FakeVirtMemory::kDirectMap + 0x4000;
constexpr std::uint64_t kSize = 256;

// A kernel with three functions and some structs of 200 to 256 bytes.
class Content : public testing::Test {
 protected:
  struct Types {
    BtfBuilder btf;
    int u32 = btf.integer("unsigned int", 4), ptr = btf.pointer();
    int list = btf.structure("list_head", 16, {{"next", ptr, 0}, {"prev", ptr, 8}});

    int prototype(int parameter) {
      const int id = btf__add_func_proto(btf.raw(), 0);
      btf__add_func_param(btf.raw(), "it", parameter);
      return id;
    }
    void function(const char* name, int type) {
      btf__add_func(btf.raw(), name, BTF_FUNC_GLOBAL, type);
    }
  };

  Content() {
    Types types;
    const int command = btf__add_fwd(types.btf.raw(), "command", BTF_FWD_STRUCT);
    const int complete = types.prototype(types.btf.pointer(command));
    const int release = types.prototype(types.ptr);
    types.function("complete_it", complete);
    types.function("release_it", release);
    for (int i = 0; i < 250; ++i) types.function(fmt::format("end_{}", i).c_str(), release);
    add_structs(types, complete, release);
    types_ = types.btf.build();

    const KallsymsTables tables{{{kText, 'T', "_stext"},
                                 {kComplete, 't', "complete_it"},
                                 {kRelease, 't', "release_it"},
                                 {kEnd, 't', "end_a"},
                                 {kText + 0x1000, 'T', "_etext"}}};
    info_ = std::make_unique<Vmcoreinfo>(tables.write(memory_) +
                                         fmt::format("SYMBOL(_stext)={:x}\n", kText));
    auto symbols = Kallsyms::read(memory_, *info_);
    EXPECT_TRUE(symbols) << symbols.error().message();
    kernel_ = std::make_unique<Kernel>(memory_, *info_, *std::move(symbols), types_);
    slabs_ = std::make_unique<SlabReader>(*kernel_, architecture(Arch::kX86_64), 1);
    cache_.name = "kmalloc-256";
    cache_.object_size = cache_.size = kSize;
    content_.resize(kSize);
  }

  static void add_structs(Types& types, int complete, int release) {
    BtfBuilder& btf = types.btf;
    const int on_complete = btf.pointer(complete), on_release = btf.pointer(release);
    const int command = btf.structure(
        "command", 200,
        {{"owner", types.u32, 0}, {"link", types.list, 0x40}, {"complete", on_complete, 0x60}});
    btf.structure("long_command", 240, {{"command", command, 0}, {"more", types.u32, 200}});
    const int resource =
        btf.structure("resource", 200, {{"link", types.list, 0x10}, {"release", on_release, 0x60}});
    btf.structure("request", 200,
                  {{"resource", btf.pointer(resource), 0x10},
                   {"own", resource, 0x20},
                   {"is_late", btf__add_int(btf.raw(), "_Bool", 1, BTF_INT_BOOL), 0x30}});
    btf.structure("twin_a", 210, {{"free", on_release, 0x90}, {"link", types.list, 0xa0}});
    btf.structure("twin_b", 211, {{"free", on_release, 0x90}, {"link", types.list, 0xa0}});
    btf.structure("small", 64, {{"complete", on_complete, 0x10}, {"link", types.list, 0x20}});
  }

  void put(std::uint64_t offset, std::uint64_t value) {
    std::memcpy(content_.data() + offset, &value, sizeof value);
  }
  void put_list(std::uint64_t offset) {
    put(offset, kObject + offset);
    put(offset + 8, kObject + offset);
  }
  ProvenanceFacts rank(std::uint64_t ignored = 0, std::optional<std::uint64_t> offset = {}) {
    memory_.pages.write(kObject, content_);
    ObjectWords words(*kernel_, *slabs_, VirtAddr{kObject}, content_);
    words.ignore(0, ignored);
    ProvenanceFacts facts;
    facts.offset = offset;
    rank_types(TypeIndex(*kernel_), words, cache_, facts);
    return facts;
  }
  static std::string best(const ProvenanceFacts& facts) {
    return facts.guesses.empty() ? "" : facts.guesses.front().type;
  }

  FakeVirtMemory memory_;
  std::unique_ptr<Vmcoreinfo> info_;
  Btf types_ = BtfBuilder().build();
  std::unique_ptr<Kernel> kernel_;
  std::unique_ptr<SlabReader> slabs_;
  SlabCache cache_;
  std::vector<std::byte> content_;
};

TEST_F(Content, FunctionOfTheMembersPrototypeAndAnEmptyListNameTheStruct) {
  put_list(0x40);
  put(0x60, kComplete);
  const auto facts = rank();
  EXPECT_TRUE(facts.certain) << facts.verdict;
  EXPECT_THAT(best(facts), HasSubstr("command"));
  ASSERT_GE(facts.guesses.front().evidence.size(), 2u);
  std::string told;
  for (const TypeEvidence& each : facts.guesses.front().evidence) {
    told += fmt::format("{:#x} {}: {}\n", each.offset, each.member, each.what);
  }
  EXPECT_THAT(told, HasSubstr("complete: is complete_it, a void (*)(struct command *)"));
  EXPECT_THAT(told, HasSubstr("link: points to itself: an empty list_head"));
}

TEST_F(Content, OfAStructAndOneThatBeginsWithItTheLargerIsNamedIfSomethingIsInItsRest) {
  put_list(0x40);
  put(0x60, kComplete);
  EXPECT_EQ(best(rank()), "struct command");
  put(200, 0x1234);
  const auto facts = rank();
  EXPECT_EQ(best(facts), "struct long_command");
  EXPECT_TRUE(facts.certain) << facts.verdict;
}

TEST_F(Content, ListsAloneProveNoType) {
  for (std::uint64_t at = 0; at < kSize; at += 16) put_list(at);
  EXPECT_FALSE(rank().certain);
}

TEST_F(Content, MemberInQuestionIsTold) {
  put_list(0x40);
  put(0x60, kComplete);
  EXPECT_EQ(rank(0, 0).member, "owner");
  EXPECT_EQ(rank(0, 0x48).member, "link.prev");
}

TEST_F(Content, DataSpeaksForNoType) {
  for (std::uint64_t at = 0; at < kSize; at += 8) put(at, 0x0123456789abcdef * (at + 3));
  const auto facts = rank();
  EXPECT_FALSE(facts.certain);
  EXPECT_THAT(facts.guesses, IsEmpty());
  EXPECT_EQ(facts.verdict, "nothing in it speaks for any type");
}

TEST_F(Content, ZeroesAndPoisonSpeakForNoType) {
  EXPECT_THAT(rank().guesses, IsEmpty());
  std::ranges::fill(content_, std::byte{0x6b});
  EXPECT_THAT(rank().guesses, IsEmpty());
}

TEST_F(Content, FunctionOfAnotherPrototypeNamesNothing) {
  put(0x60, kComplete);  // where `resource` has a void (*)(void *)
  put_list(0x10);
  EXPECT_NE(best(rank()), "struct resource");
}

TEST_F(Content, FunctionPointersAreToTheirBeginning) {
  put_list(0x40);
  put(0x60, kComplete + 4);
  EXPECT_FALSE(rank().certain);
}

TEST_F(Content, TwoTypesThatItFitsEquallyAreNotTold) {
  put(0x90, kRelease);
  put_list(0xa0);
  const auto facts = rank();
  EXPECT_FALSE(facts.certain);
  EXPECT_GE(facts.guesses.size(), 2u);
  EXPECT_THAT(facts.verdict, HasSubstr("not proven"));
}

TEST_F(Content, WhatALaterOwnerWroteDoesNotSpeakAgainstTheFormer) {
  put_list(0x40);
  put(0x60, kComplete);
  const double clean = rank().guesses.at(0).score;
  put(0x40, 0x1122334455667788);
  EXPECT_LT(rank().guesses.empty() ? 0 : rank().guesses.at(0).score, clean);
  const auto facts = rank(0x50);
  ASSERT_FALSE(facts.guesses.empty());
  for (const TypeEvidence& each : facts.guesses.front().evidence) EXPECT_GE(each.offset, 0x50u);
}

TEST_F(Content, NeighboursOfAListThatPointBackProveIt) {
  const std::uint64_t other = kObject + 0x1000;
  put(0x40, other);
  put(0x48, other);
  put(0x60, kComplete);
  memory_.put(other, std::uint64_t{0});
  memory_.put(other + 8, std::uint64_t{0});
  const double stale = rank().guesses.at(0).score;
  memory_.put(other, kObject + 0x40);
  memory_.put(other + 8, kObject + 0x40);
  EXPECT_GT(rank().guesses.at(0).score, stale + 6);
}

TEST_F(Content, PointerToAPartOfTheObjectIsComparedWithTheMemberThere) {
  put(0x10, kObject + 0x20);  // request.resource -> request.own
  put_list(0x30);
  auto facts = rank();
  ASSERT_FALSE(facts.guesses.empty());
  put(0x10, kObject + 0x28);
  EXPECT_NE(best(rank()), "struct request");
  EXPECT_EQ(best(facts), "struct request");
}

TEST_F(Content, StructsThatAnotherCacheWouldHaveServedAreNoCandidates) {
  put(0x10, kComplete);
  put_list(0x20);
  EXPECT_THAT(best(rank()), testing::Not("struct small"));
  cache_.name = "kmalloc-64";
  cache_.object_size = cache_.size = 64;
  content_.resize(64);
  EXPECT_EQ(best(rank()), "struct small");
}

TEST(TypeIndex, RarePrototypesTellMore) {
  FakeVirtMemory memory;
  const Vmcoreinfo info("");
  BtfBuilder btf;
  const int rare = btf__add_func_proto(btf.raw(), btf.integer("int", 4));
  const int common = btf__add_func_proto(btf.raw(), 0);
  btf__add_func(btf.raw(), "rare", BTF_FUNC_GLOBAL, rare);
  for (int i = 0; i < 30; ++i) {
    btf__add_func(btf.raw(), fmt::format("f{}", i).c_str(), BTF_FUNC_GLOBAL, common);
  }
  const Kernel kernel(memory, info, {}, btf.build());
  const TypeIndex index(kernel);
  const Btf& types = *kernel.types();
  const auto told = [&](const char* name, int id) {
    return index.prototype_bits(name, nullptr, types, static_cast<std::uint32_t>(id));
  };
  EXPECT_GT(told("rare", rare), told("f7", common));
  EXPECT_EQ(told("rare", common), 0);
  EXPECT_EQ(told("unheard_of", common), std::nullopt);
}

TEST(SamePrototype, QualifiersAndForwardDeclarationsDoNotMatterStructsDo) {
  BtfBuilder btf;
  const int whole = btf.structure("thing", 8, {});
  const int forward = btf__add_fwd(btf.raw(), "thing", BTF_FWD_STRUCT);
  const int other = btf.structure("other", 8, {});
  const auto prototype = [&](int parameter) {
    const int pointer = btf.pointer(parameter);
    const int id = btf__add_func_proto(btf.raw(), 0);
    btf__add_func_param(btf.raw(), "x", pointer);
    return static_cast<std::uint32_t>(id);
  };
  const auto a = prototype(whole), b = prototype(btf.constant(forward)), c = prototype(other);
  const Btf types = btf.build();
  EXPECT_TRUE(same_prototype(types, a, types, b));
  EXPECT_FALSE(same_prototype(types, a, types, c));
}

TEST(TypeScorer, StructThatContainsItselfEnds) {
  FakeVirtMemory memory;
  const Vmcoreinfo info("");
  BtfBuilder btf;
  const int list = btf.structure("list_head", 16, {});
  const int self = list + 1;  // the id that the struct will have
  btf.structure("endless", 64, {{"a", self, 0}, {"b", self, 8}, {"c", self, 16}, {"d", self, 24}});
  const Kernel kernel(memory, info, {}, btf.build());
  SlabReader slabs(kernel, architecture(Arch::kX86_64), 1);
  ObjectWords words(kernel, slabs, VirtAddr{kObject}, std::vector<std::byte>(64));
  const TypeIndex index(kernel);
  const auto types = index.structs(64, 64, 64);
  ASSERT_EQ(types.size(), 1u);
  EXPECT_EQ(TypeScorer(index, words).score(types.front()).sum(), 0);
}

}  // namespace
}  // namespace rig::analyzer
