// SPDX-License-Identifier: Apache-2.0
#include "kdump/device_tree.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <span>
#include <string>

namespace rig::kdump {
namespace {

using testing::HasSubstr;

std::string word(std::uint32_t value) {
  const std::uint32_t big = __builtin_bswap32(value);
  return std::string(as_text(std::as_bytes(std::span(&big, 1))));
}

std::string padded(std::string text) {
  text.resize((text.size() + 3) / 4 * 4);
  return text;
}

std::string begin_node(const std::string& name) {
  return word(1) + padded(name + '\0');
}
std::string property(std::uint32_t name, const std::string& value) {
  return word(3) + word(static_cast<std::uint32_t>(value.size())) + word(name) + padded(value);
}
const std::string kEndNode = word(2), kNop = word(4), kEndTree = word(9);
constexpr std::uint32_t kModel = 0, kBootargs = 6;  // in the strings below
const std::string kStrings("model\0bootargs\0", 15);

std::string tree(const std::string& structure) {
  const std::string reserved =
      std::string(7, '\0') + '\1' + std::string(7, '\0') + '\2' + std::string(16, '\0');
  const auto at = static_cast<std::uint32_t>(40 + reserved.size());
  const auto strings = at + static_cast<std::uint32_t>(structure.size());
  return word(0xd00dfeed) + word(1 << 20) + word(at) + word(strings) + word(40) + word(17) +
         word(16) + word(0) + word(static_cast<std::uint32_t>(kStrings.size())) +
         word(static_cast<std::uint32_t>(structure.size())) + reserved + structure + kStrings;
}

std::string whole_tree() {
  return tree(begin_node("") + property(kModel, "virt") + begin_node("chosen") +
              property(kBootargs, "old") + begin_node("inner") + property(kBootargs, "its own") +
              kEndNode + kEndNode + kNop + begin_node("x") + begin_node("chosen") +
              property(kBootargs, "another") + kEndNode + kEndNode + kEndNode + kEndTree);
}

// What a reader of the tree finds.
std::string describe(const std::string& bytes) {
  const auto at = [&](std::size_t offset) {
    return __builtin_bswap32(load<std::uint32_t>(as_bytes(bytes), offset).value_or(0));
  };
  EXPECT_EQ(at(4), bytes.size());
  const std::uint32_t strings = at(12);
  std::string text;
  std::size_t next = at(8);
  for (int tokens = 0; tokens < 100; ++tokens) {
    const std::uint32_t token = at(next);
    next += 4;
    if (token == 9) return text;
    if (token == 1) {
      const std::string name = bytes.c_str() + next;
      next += padded(name + '\0').size();
      text += name + "{";
    } else if (token == 2) {
      text += "}";
    } else if (token == 3) {
      const std::uint32_t size = at(next);
      text += std::string(bytes.c_str() + strings + at(next + 4)) + "=" +
              bytes.substr(next + 8, size) + ";";
      next += 8 + padded(std::string(size, 'x')).size();
    } else {
      text += "?";
    }
  }
  return text + "...";
}

TEST(DeviceTree, ChosenGetsThePropertiesAndAllElseStays) {
  const TreeProperty properties[] = {{"bootargs", "new"}, {"linux,elfcorehdr", "12345678"}};
  const std::string before = whole_tree();
  const auto changed = with_chosen(as_bytes(before), properties);
  ASSERT_TRUE(changed) << changed.error().message();
  EXPECT_EQ(describe(*changed),
            "{model=virt;chosen{bootargs=new;linux,elfcorehdr=12345678;inner{bootargs=its own;}}"
            "x{chosen{bootargs=another;}}}");
  EXPECT_EQ(changed->substr(40, 32), before.substr(40, 32)) << "the reserved memory";
  const auto again = with_chosen(as_bytes(*changed), properties);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(describe(*again), describe(*changed));
}

TEST(DeviceTree, NumbersAreBigEndian) {
  EXPECT_EQ(tree_numbers({0x0102030405060708, 9}),
            std::string("\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0\11", 16));
}

TEST(DeviceTree, TreeCutAnywhereIsRefused) {
  const std::string whole = whole_tree();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    EXPECT_FALSE(with_chosen(as_bytes(cut), {})) << size;
  }
}

TEST(DeviceTree, TreesThatAreNoneAreRefused) {
  const auto why = [](const std::string& bytes) {
    const auto changed = with_chosen(as_bytes(bytes), {});
    return changed ? "" : changed.error().what;
  };
  EXPECT_THAT(why(tree(begin_node("") + kEndNode + kEndTree)), HasSubstr("no /chosen"));
  EXPECT_THAT(why(tree(kEndNode + kEndTree)), HasSubstr("did not begin"));
  EXPECT_THAT(why(tree(word(77))), HasSubstr("unknown token"));
  EXPECT_THAT(why(tree(begin_node("") + property(99, "x"))), HasSubstr("not whole"));
  EXPECT_THAT(why(std::string(100, 'x')), HasSubstr("it is none"));
}

}  // namespace
}  // namespace rig::kdump
