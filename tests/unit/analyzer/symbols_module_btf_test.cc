// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/module_btf.h"

#include <gtest/gtest.h>

#include "fakes/fake_memory.h"
#include "fakes/synthetic_btf.h"

namespace rig::analyzer {
namespace {

using fake::BtfBuilder;
using fake::FakeVirtMemory;

constexpr std::uint64_t kList = 0xffff'ffff'82b0'0000;
constexpr std::uint64_t kEntries = FakeVirtMemory::kDirectMap + 0x1000;  // 0x100 bytes each
constexpr VirtAddr kFirst{0xffff'ffff'c000'1000}, kSecond{0xffff'ffff'c000'2000};

Btf types() {
  BtfBuilder btf;
  const int u32 = btf.integer("unsigned int", 4), ptr = btf.pointer();
  const int list = btf.structure("list_head", 16, {{"next", ptr, 0}, {"prev", ptr, 8}});
  btf.structure("btf_module", 40, {{"list", list, 8}, {"module", ptr, 24}, {"btf", ptr, 32}});
  btf.structure("btf", 64, {{"data", ptr, 0}, {"data_size", u32, 56}});
  return btf.build();
}

// Two modules with types of 100 and 200 bytes.
class TypesOfModules : public testing::Test {
 protected:
  TypesOfModules() {
    memory_.put(kList, kEntries + 8);
    add(0, kFirst, 100, kEntries + 0x108);
    add(1, kSecond, 200, kList);
  }
  void add(std::uint64_t number, VirtAddr module, std::uint32_t size, std::uint64_t next) {
    const std::uint64_t entry = kEntries + number * 0x100, btf = entry + 0x80;
    memory_.put(entry + 8, next);
    memory_.put(entry + 24, raw(module));
    memory_.put(entry + 32, btf);
    memory_.put(btf, 0x7000 + number);
    memory_.put(btf + 56, size);
  }
  std::optional<ModuleBtf> find(VirtAddr module) {
    return find_module_btf(memory_, types(), VirtAddr{kList}, module);
  }

  FakeVirtMemory memory_;
};

TEST_F(TypesOfModules, AreInTheKernelsOwnList) {
  ASSERT_TRUE(find(kFirst) && find(kSecond));
  EXPECT_EQ(find(kFirst)->size, 100u);
  EXPECT_EQ(find(kSecond)->data, VirtAddr{0x7001});
}

TEST_F(TypesOfModules, OneThatIsNotOnTheListHasNone) {
  EXPECT_FALSE(find(VirtAddr{raw(kSecond) + 8}));
}

TEST_F(TypesOfModules, BrokenListEnds) {
  memory_.put(kEntries + 8, std::uint64_t{0xdead'0000'0000'0100});
  EXPECT_TRUE(find(kFirst));
  EXPECT_FALSE(find(kSecond));
  memory_.put(kEntries + 8, kEntries + 8);
  EXPECT_FALSE(find(kSecond)) << "a list that leads to itself";
}

}  // namespace
}  // namespace rig::analyzer
