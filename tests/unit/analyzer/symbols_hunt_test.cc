// SPDX-License-Identifier: Apache-2.0
// What is found without symbols of variables, and what must not be taken for it.
#include "analyzer/symbols/hunt.h"

#include <gmock/gmock.h>

#include "analyzer/symbols/arm64_references.h"
#include "fakes/synthetic_btf.h"
#include "fakes/synthetic_kallsyms.h"

namespace rig::analyzer {
namespace {

using fake::FakeVirtMemory;
using fake::KallsymsTables;
using fake::kText;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kConstants = kText + 0x10'0000;
constexpr std::uint64_t kData = kText + 0x80'0000;

std::vector<Reference> references(const std::vector<std::uint32_t>& code) {
  return arm64_references(std::as_bytes(std::span(code)), VirtAddr{0xffff'ca1b'7095'4000});
}

TEST(Arm64References, AnAnchorAndWhatIsReachedFromItAreBothTold) {
  // adrp x21, +0x1c08000; add x21, x21, #0x9c0; ldr x0, [x21, #80]!
  EXPECT_THAT(references({0x9000e055, 0x912702b5, 0xf8450ea0}),
              ElementsAre(Reference{VirtAddr{0xffff'ca1b'7255'c9c0}, false},
                          Reference{VirtAddr{0xffff'ca1b'7255'ca10}, true}));
  // adrp x3; add x3, x3, #0x6b8; add x0, x3, #0xe0; mov w1, #-1; casal w4, w2, [x0]
  EXPECT_THAT(references({0x9000e203, 0x911ae063, 0x91038060, 0x12800001, 0x88e4fc02}),
              ElementsAre(Reference{VirtAddr{0xffff'ca1b'7259'46b8}, false},
                          Reference{VirtAddr{0xffff'ca1b'7259'4798}, true}));
}

TEST(Arm64References, ACallAndAJumpForgetWhatRegistersHeld) {
  // adrp x0; bl; ldr x1, [x0, #8]
  EXPECT_THAT(references({0x9000e040, 0x942d1d94, 0xf9400401}), IsEmpty());
  // adrp x19; b; ldr x1, [x19, #8]
  EXPECT_THAT(references({0x9000e053, 0x14000002, 0xf9400661}), IsEmpty());
  // adrp x19; bl; ldr x1, [x19, #8]: kept across a call
  EXPECT_THAT(references({0x9000e053, 0x942d1d94, 0xf9400661}),
              ElementsAre(Reference{VirtAddr{0xffff'ca1b'7255'c008}, true}));
}

// A kernel with functions in kallsyms, and constants to search.
class HuntTest : public testing::Test {
 protected:
  static constexpr unsigned kFunctions = 40;

  HuntTest() {
    KallsymsTables tables{{{kText, 'T', "_stext"}}};
    tables.absolute_per_cpu = false;
    for (unsigned i = 0; i < kFunctions; ++i) {
      tables.entries.push_back({kText + 0x100 + i * 16, 'T', fmt::format("f{:03}", i)});
    }
    tables.entries.push_back({kConstants, 'D', "_etext"});
    tables.entries.push_back({kConstants + 0x1'0000, 'T', "_sinittext"});
    text_ =
        tables.write(memory_) + fmt::format("SYMBOL(_stext)={:x}\nOSRELEASE=6.1.0-test\n", kText);
    for (unsigned page = 0; page < 16; ++page) {
      memory_.put(kConstants + page * 0x1000, std::uint64_t{0});
    }
  }

  // A table of exports at `table`: the functions and, between them, a variable.
  void exports(std::uint64_t table, std::uint64_t shift) {
    std::uint64_t name = kConstants + 0x8000 + (table - kConstants);
    for (unsigned i = 0; i <= kFunctions; ++i) {
      const bool variable = i == kFunctions;
      const auto value = variable ? kData : kText + 0x100 + shift + i * 16;
      const auto text = variable ? std::string("init_task") : fmt::format("f{:03}", i);
      const auto at = table + i * 12;
      memory_.put(at, static_cast<std::int32_t>(value - at));
      memory_.put(at + 4, static_cast<std::int32_t>(name - at - 4));
      memory_.put(at + 8, static_cast<std::int32_t>(kConstants + 8 - at - 8));
      memory_.put_text(name, text);
      name += text.size() + 1;
    }
  }

  std::optional<Hunt> hunt() {
    info_.emplace(text_);
    auto read = Kallsyms::read(memory_, *info_);
    if (!read) return std::nullopt;
    symbols_ = *std::move(read);
    return Hunt::start(memory_, *info_, *symbols_);
  }

  FakeVirtMemory memory_;
  std::string text_;
  std::optional<Vmcoreinfo> info_;
  std::optional<Kallsyms> symbols_;
};

TEST_F(HuntTest, AnExportedVariableIsFoundByItsName) {
  exports(kConstants + 0x1004, 0);
  const auto found = hunt();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->exported(), kFunctions + 1);
  EXPECT_EQ(found->address("init_task", *symbols_), VirtAddr{kData});
  EXPECT_EQ(found->address("init_tasks", *symbols_), std::nullopt);
}

TEST_F(HuntTest, ATableWhoseFunctionsLieElsewhereIsNoTable) {
  exports(kConstants + 0x1004, 4);
  const auto found = hunt();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->exported(), 0u);
  EXPECT_EQ(found->address("init_task", *symbols_), std::nullopt);
}

TEST_F(HuntTest, TheKernelsTypesAreThoseThatHaveTasks) {
  const auto put = [&](std::uint64_t at, bool tasks) {
    fake::BtfBuilder btf;
    const int word = btf.integer("long", 8);
    btf.structure("list_head", 16, {{"next", word, 0}, {"prev", word, 8}});
    btf.structure(tasks ? "task_struct" : "program", 16, {{"comm", word, 8}});
    memory_.pages.write(at, btf.bytes());
  };
  // The magic alone, the BTF of some program, then the kernel's.
  memory_.pages.write(kConstants + 0x100,
                      as_bytes(std::string_view("\x9f\xeb\x01\x00\x18\x00\x00\x00", 8)));
  put(kConstants + 0x200, false);
  EXPECT_FALSE(hunt()->types());
  put(kConstants + 0x2000, true);
  const auto found = hunt();
  ASSERT_TRUE(found && found->types());
  EXPECT_EQ(found->types()->member("task_struct.comm")->offset, 8u);
}

TEST_F(HuntTest, HeadersThatEachClaimTheWholeRestAreNotAllFollowed) {
  for (std::uint64_t at = kConstants + 0x100; at < kConstants + 0x1100; at += 32) {
    memory_.pages.write(at, as_bytes(std::string_view("\x9f\xeb\x01\x00\x18\x00\x00\x00", 8)));
    memory_.put(at + 12, std::uint32_t{0x8000});  // bytes of types
  }
  fake::BtfBuilder btf;
  const int word = btf.integer("long", 8);
  btf.structure("list_head", 16, {{"next", word, 0}, {"prev", word, 8}});
  btf.structure("task_struct", 16, {{"comm", word, 8}});
  memory_.pages.write(kConstants + 0x2000, btf.bytes());
  EXPECT_FALSE(hunt()->types());
}

// What looks like a table and is none is looked for again from its next entry on: that may cost no
// more than reading all constants a few times.
TEST_F(HuntTest, HowOftenTablesThatAreNoneAreFollowedIsBounded) {
  const auto found_behind = [&](unsigned count) {
    memory_.pages.write(kConstants, std::vector<std::byte>(0x1'0000));
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto at = kConstants + 0x1004 + i * 12, name = kConstants + 0xc000 + i * 8;
      memory_.put(at, static_cast<std::int32_t>(kText - at));
      memory_.put(at + 4, static_cast<std::int32_t>(name - at - 4));
      memory_.put(at + 8, static_cast<std::int32_t>(kConstants + 8 - at - 8));
      memory_.put_text(name, fmt::format("a{:04}", i));
    }
    exports(kConstants + 0x3004, 0);
    return hunt()->exported();
  };
  EXPECT_EQ(found_behind(300), kFunctions + 1);
  EXPECT_EQ(found_behind(400), 0u);  // 400 + 399 + ... entries are more than there are bytes
}

TEST_F(HuntTest, TheBannerIsThatOfThisRelease) {
  memory_.put_text(kConstants + 0x300, "Linux version 6.1.0-other (x)");
  memory_.put_text(kConstants + 0x400, "Linux version 6.1.0-test (x)");
  EXPECT_EQ(hunt()->address("linux_banner", *symbols_), VirtAddr{kConstants + 0x400});
}

// init/version.c and init/version-timestamp.c both have one since v6.1.
TEST_F(HuntTest, TheWeakBannerWithoutABuildNumberIsPassedOver) {
  memory_.put_text(kConstants + 0x300, "Linux version 6.1.0-test (x) # SMP Debian");
  memory_.put_text(kConstants + 0x400, "Linux version 6.1.0-test (x) #1 SMP Debian");
  EXPECT_EQ(hunt()->address("linux_banner", *symbols_), VirtAddr{kConstants + 0x400});
}

}  // namespace
}  // namespace rig::analyzer
