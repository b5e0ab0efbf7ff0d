// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "analyzer/fault_json.h"
#include "fakes/kernel_core.h"

namespace rig::analyzer {
namespace {

using testing::HasSubstr;

TEST(InspectFault, ACoreWithoutAnExceptionSaysSo) {
  fake::KernelCore core;
  EXPECT_THAT(core.text("fault"), HasSubstr("no exception was found"));
  EXPECT_THAT(core.text("fault more"), HasSubstr("ERROR"));
}

TEST(InspectFault, JsonHasNullWhereNothingIsKnown) {
  FaultFacts facts;
  facts.verdict = "nothing can be followed";
  const auto json = fault_json(facts);
  EXPECT_TRUE(json.at("register").is_null());
  EXPECT_TRUE(json.at("address").is_null());
  EXPECT_TRUE(json.at("source").is_null());
  facts.reg = "RBX";
  facts.value = 0x106;
  facts.source.emplace();
  facts.source->value = VirtAddr{0xffff'8880'0000'02c8};
  facts.source_member = "skb_shared_info.frag_list";
  const auto full = fault_json(facts);
  EXPECT_EQ(full.at("value"), "0x106");
  EXPECT_EQ(full.at("source").at("member"), "skb_shared_info.frag_list");
  EXPECT_EQ(full.at("source").at("address"), "0xffff8880000002c8");
}

}  // namespace
}  // namespace rig::analyzer
