// SPDX-License-Identifier: Apache-2.0
#include "scenario/predicates.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "scenario/signature_file.h"

namespace rig::scenario {
namespace {

TEST(Bound, ReadsSignsSizesAndPercentages) {
  EXPECT_TRUE(parse_bound("0x106", false)->holds(0x106));
  EXPECT_FALSE(parse_bound("0x106", false)->holds(0x107));
  EXPECT_TRUE(parse_bound("> 0", false)->holds(1));
  EXPECT_FALSE(parse_bound("> 0", false)->holds(0));
  EXPECT_TRUE(parse_bound("<=16M", true)->holds(16u << 20));
  EXPECT_FALSE(parse_bound("<= 16M", true)->holds((16u << 20) + 1));
  EXPECT_TRUE(parse_bound("!= 3", false)->holds(4));
  EXPECT_TRUE(parse_bound("< 5%", true)->holds(4, 100));
  EXPECT_FALSE(parse_bound("< 5%", true)->holds(5, 100));
}

TEST(Bound, ComparesNegativeDifferencesAsNegative) {
  const auto below = static_cast<std::uint64_t>(-3);
  EXPECT_FALSE(parse_bound("> 0", false)->holds(below));
  EXPECT_TRUE(parse_bound("< 1", false)->holds(below));
}

TEST(Bound, IsNothingForWhatIsNoNumber) {
  for (const char* text : {"", "> ", "much", "16M", "101%", "<> 3"}) {
    EXPECT_FALSE(parse_bound(text, false)) << text;
  }
}

TEST(Bound, IsWrittenAsItIsRead) {
  for (const char* text : {"7", "> 0", "<= 0x1000", "!= 3", "< 5%"}) {
    EXPECT_EQ(parse_bound(text, true)->text(), text);
  }
}

TEST(AskedVariables, AreThoseThatTheCoreMustBeAskedForOnce) {
  Expectation expectation;
  expectation.percpu.push_back(
      {.variable = "frees", .where = {}, .cpu = 0, .minus = "allocs", .is = {}});
  expectation.percpu.push_back({.variable = "nmi", .where = {}, .cpu = 0, .minus = {}, .is = {}});
  expectation.percpu.push_back({.variable = "frees", .where = {}, .cpu = 0, .minus = {}, .is = {}});
  EXPECT_EQ(asked_variables(expectation), (std::vector<std::string>{"frees", "allocs"}));
}

// Everything that an expectation can hold.
Expectation full_expectation() {
  Expectation expectation;
  expectation.report = {"null-deref", 0x106, "skb_release_data", "read", "kmalloc-1k"};
  expectation.object = {.holds = 0x106,
                        .size = 4,
                        .offset = 0x2c8,
                        .cache = "kmalloc-1k",
                        .allocated = true,
                        .was = "lc_command"};
  CorruptionPredicate corruption;
  corruption.kind = "poison-overwritten";
  corruption.cache = "kmalloc-1k";
  corruption.offset = -8;
  corruption.bytes = {std::byte{0x06}, std::byte{0x01}};
  corruption.pointer = 0xffff00088fec6500;
  corruption.wrong_byte = 6;
  corruption.allocated = false;
  corruption.allocated_by = "lc_queue";
  corruption.freed_by = "lc_complete";
  expectation.corruptions = {corruption, corruption};
  expectation.backtrace = {"skb_release_data", "consume_skb"};
  expectation.percpu.push_back({.variable = "frees",
                                .where = PerCpuPredicate::Where::kSum,
                                .cpu = 0,
                                .minus = "allocs",
                                .is = *parse_bound("> 0", false)});
  expectation.percpu.push_back({.variable = "nmi",
                                .where = PerCpuPredicate::Where::kOne,
                                .cpu = 3,
                                .minus = {},
                                .is = *parse_bound("1", false)});
  expectation.memory.push_back({"MemFree", *parse_bound("< 5%", true)});
  expectation.during = During::kBoot;
  expectation.hang = HangPredicate{HangKind::kBoot};
  expectation.cpus = {{.backtrace = {"spin", "irqs_off"}, .irqs_off = true}};
  expectation.tasks = {{.comm = "hang/0", .backtrace = {"cross"}, .lock = "mutex", .owner = "b"},
                       {.comm = "init"}};
  return expectation;
}

TEST(SignatureFile, ReadsWhatItWrites) {
  const std::string text = signature_text("slub", full_expectation());
  const fs::path path = fs::path(testing::TempDir()) / "signature.yaml";
  ASSERT_TRUE(write_file_atomically(path, text));
  const auto read = load_signatures(path, {});
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), 1u);
  EXPECT_EQ(read->front().detector, "slub");
  EXPECT_EQ(signature_text("slub", read->front().expectation), text);
  const Expectation& back = read->front().expectation;
  ASSERT_EQ(back.corruptions.size(), 2u);
  EXPECT_EQ(back.corruptions[0].offset, -8);
  EXPECT_EQ(back.corruptions[0].bytes, full_expectation().corruptions[0].bytes);
  EXPECT_EQ(back.corruptions[0].wrong_byte, 6u);
  EXPECT_EQ(back.object->was, "lc_command");
  ASSERT_EQ(back.percpu.size(), 2u);
  EXPECT_EQ(back.percpu[0].minus, "allocs");
  EXPECT_EQ(back.percpu[1].cpu, 3u);
  EXPECT_EQ(back.memory.at(0).is.text(), "< 5%");
  EXPECT_EQ(back.during, During::kBoot);
  ASSERT_TRUE(back.hang);
  EXPECT_EQ(back.hang->kind, HangKind::kBoot);
  EXPECT_EQ(back.cpus.at(0).irqs_off, true);
  EXPECT_EQ(back.cpus.at(0).backtrace.size(), 2u);
  ASSERT_EQ(back.tasks.size(), 2u);
  EXPECT_EQ(back.tasks[0].owner, "b");
}

TEST(SignatureFile, OfAScenarioIsItsExpectPart) {
  const auto read = load_signatures(
      fs::path(RIG_TEST_DATA).parent_path().parent_path() / "scenarios/late-completion.yaml", {});
  ASSERT_TRUE(read) << read.error().message();
  bool on_kasan = false;
  for (const NamedExpectation& each : *read) on_kasan = on_kasan || each.on == "debian-6.1-kasan";
  EXPECT_TRUE(on_kasan);
  EXPECT_EQ(read->front().detector, "none");
}

TEST(SignatureFile, ACoreIsHeldAgainstWhatIsExpectedOnItsOwnArchitecture) {
  const fs::path path = fs::path(testing::TempDir()) / "two_archs.yaml";
  ASSERT_TRUE(write_file_atomically(path,
                                    "expect:\n"
                                    "  none:\n"
                                    "    report: {kind: gpf}\n"
                                    "    on:\n"
                                    "      arm64: {report: {kind: paging-fault}}\n"
                                    "      debian-6.1-kasan: {report: {kind: kasan-double-free}}\n"
                                    "  slub: {report: {kind: slub-object-already-free}}\n"));
  const auto read = load_signatures(path, {});
  ASSERT_TRUE(read) << read.error().message();
  const auto kinds_on = [&](Arch arch) {
    std::vector<std::string> kinds;
    for (const NamedExpectation& each : expectations_on(arch, *read)) {
      kinds.push_back(each.detector + " " + each.expectation.report->kind.value_or(""));
    }
    return kinds;
  };
  EXPECT_EQ(kinds_on(Arch::kX86_64), (std::vector<std::string>{"none gpf", "none kasan-double-free",
                                                               "slub slub-object-already-free"}));
  EXPECT_EQ(kinds_on(Arch::kArm64),
            (std::vector<std::string>{"none paging-fault", "none kasan-double-free",
                                      "slub slub-object-already-free"}));
}

TEST(SignatureFile, TheWrongByteIsOneOfAPointers) {
  const fs::path path = fs::path(testing::TempDir()) / "ninth_byte.yaml";
  ASSERT_TRUE(write_file_atomically(path, "expect: {none: {corruption: {wrong_byte: 8}}}\n"));
  const auto read = load_signatures(path, {});
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message().find("'wrong_byte'"), std::string::npos)
      << read.error().message();
}

TEST(SignatureFile, WithoutExpectIsRefusedWithAdvice) {
  const fs::path path = fs::path(testing::TempDir()) / "nothing.yaml";
  ASSERT_TRUE(write_file_atomically(path, "name: x\n"));
  const auto read = load_signatures(path, {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().blame, Blame::kInput);
  EXPECT_NE(read.error().hint.find("crashrig signature"), std::string::npos);
}

}  // namespace
}  // namespace rig::scenario
