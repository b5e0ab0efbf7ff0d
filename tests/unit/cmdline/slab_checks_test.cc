// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "unit/cmdline/fake_evidence.h"

namespace rig::cmdline {
namespace {

using testing::HasSubstr;

class SlabParameters : public testing::Test {
 protected:
  SlabParameters() {
    guest_.files["/proc/slabinfo"] =
        "slabinfo - version: 2.1\n"
        "# name            <active_objs> <num_objs>\n"
        "kmalloc-32 1 2 3\nkmalloc-64 1 2 3\ndentry 1 2 3\n";
    for (const char* cache : {"kmalloc-32", "kmalloc-64", "dentry"}) set(cache, "", "0");
  }

  // The letters' files show `value`; "" sets all.
  void set(const std::string& cache, std::string letters, const char* value) {
    const std::map<char, const char*> files = {{'f', "sanity_checks"}, {'z', "red_zone"},
                                               {'p', "poison"},        {'u', "store_user"},
                                               {'t', "trace"},         {'a', "failslab"}};
    if (letters.empty()) letters = "fzputa";
    for (const char letter : letters) {
      guest_.files["/sys/kernel/slab/" + cache + "/" + files.at(letter)] =
          std::string(value) + "\n";
    }
    guest_.files["/sys/kernel/slab/" + cache + "/aliases"] = "0\n";
  }

  FakeEvidence guest_;
};

TEST_F(SlabParameters, SlubDebugMustBeOnInEveryKmallocCache) {
  EXPECT_EQ(guest_.state("slub_debug=FZPU"), State::kIneffective);
  set("kmalloc-32", "fzpu", "1");
  EXPECT_EQ(guest_.state("slub_debug=FZPU"), State::kIneffective);
  set("kmalloc-64", "fzpu", "1");
  const Effect effect = guest_.check("slub_debug=FZPU");
  EXPECT_EQ(effect.state, State::kEffective);
  EXPECT_THAT(effect.how, HasSubstr("sanity_checks, red_zone, poison, store_user are 1"));
  EXPECT_EQ(guest_.state("slub_debug"), State::kEffective) << "FZPU is the default";
  EXPECT_EQ(guest_.state("slub_debug=FZPUT"), State::kIneffective) << "no trace";
}

TEST_F(SlabParameters, SlubDebugOfOneCacheLooksAtThatCache) {
  set("kmalloc-32", "pu", "1");
  EXPECT_EQ(guest_.state("slub_debug=PU,kmalloc-32"), State::kEffective);
  EXPECT_EQ(guest_.state("slub_debug=FPU,kmalloc-32"), State::kIneffective);
  EXPECT_EQ(guest_.state("slub_debug=PU,kmalloc-64"), State::kIneffective);
  EXPECT_EQ(guest_.state("slub_debug=PU,kmalloc-*"), State::kIneffective);
  set("kmalloc-64", "pu", "1");
  EXPECT_EQ(guest_.state("slub_debug=PU,kmalloc-*"), State::kEffective);
}

TEST_F(SlabParameters, SlubDebugOfACacheThatIsNotThereIsIneffective) {
  const Effect effect = guest_.check("slub_debug=P,kmaloc-32");
  EXPECT_EQ(effect.state, State::kIneffective);
  EXPECT_THAT(effect.how, HasSubstr("no cache is called kmaloc-32"));
}

TEST_F(SlabParameters, EachBlockOfSlubDebugMustHold) {
  set("kmalloc-32", "fzp", "1");
  set("dentry", "u", "1");
  EXPECT_EQ(guest_.state("slub_debug=FZP,kmalloc-32;U,dentry"), State::kEffective);
  EXPECT_EQ(guest_.state("slub_debug=FZP,kmalloc-32;Z,dentry"), State::kIneffective);
}

TEST_F(SlabParameters, SlubDebugOffMustBeOff) {
  EXPECT_EQ(guest_.state("slub_debug=-"), State::kEffective);
  set("kmalloc-64", "p", "1");
  EXPECT_EQ(guest_.state("slub_debug=-"), State::kIneffective);
}

TEST_F(SlabParameters, AnUnknownFlagOfSlubDebugIsIneffective) {
  set("kmalloc-32", "", "1");
  set("kmalloc-64", "", "1");
  EXPECT_THAT(guest_.check("slub_debug=FX").how, HasSubstr("no flag 'x'"));
}

TEST_F(SlabParameters, UnmergedCachesHaveNoAliases) {
  for (const char* parameter : {"slab_nomerge", "slub_nomerge"}) {
    EXPECT_EQ(guest_.state(parameter), State::kEffective) << parameter;
  }
  guest_.files["/sys/kernel/slab/kmalloc-64/aliases"] = "3\n";
  const Effect effect = guest_.check("slab_nomerge");
  EXPECT_EQ(effect.state, State::kIneffective);
  EXPECT_THAT(effect.how, HasSubstr("kmalloc-64"));
}

TEST_F(SlabParameters, AGuestThatShowsNothingProvesNothing) {
  guest_.files.clear();
  EXPECT_EQ(guest_.state("slab_nomerge"), State::kNotCheckable);
  EXPECT_EQ(guest_.state("slub_debug=P"), State::kIneffective);
}

}  // namespace
}  // namespace rig::cmdline
