// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "analyzer/analyzer.h"
#include "fakes/synthetic_core.h"

namespace rig::analyzer {
namespace {

using testing::HasSubstr;
using testing::Not;

Findings example() {
  Findings findings;
  findings.core = {"vmcore",
                   "ELF",
                   Arch::kX86_64,
                   1000,
                   2000,
                   "6.1.0-56-amd64",
                   "Linux version 6.1",
                   "eb4f",
                   0x2c20'0000,
                   4,
                   "note",
                   94266,
                   100750};
  findings.log = "[    0.000000] first\xff line\n";
  findings.panic = "Fatal exception in interrupt";
  oops::Report report;
  report.kind = "null-deref";
  report.title = "BUG: unable to handle kernel NULL pointer dereference in skb_release_data";
  report.address = 0x106;
  report.frames = {{"skb_release_data", 0x11d, 0x1b0, "", true}, {"poke", 1, 2, "early", false}};
  findings.reports.push_back(report);
  const CodeLocation at{VirtAddr{0xffff'ffff'817c'0c2d}, "skb_release_data", 0x11d, ""};
  CpuFacts cpu;
  cpu.comm = "swapper/0";
  cpu.pid = 0;
  cpu.task = VirtAddr{0xffff'ffff'82a1'aa40};
  cpu.at = at;
  cpu.panicking = true;
  findings.cpus.push_back(std::move(cpu));
  ExceptionFacts exception;
  exception.comm =
      "evil\x1b[2J\x9b"
      "2J";
  exception.pid = 0;
  exception.at = at;
  exception.address = 0x106;
  exception.registers = {{"RIP", 0xffff'ffff'817c'0c2d}, {"R12", 0xffff'8880'05bd'3ac0}};
  findings.exception = exception;
  SlabObject object{VirtAddr{0xffff'8880'05bd'3800},
                    "kmalloc-1k",
                    1024,
                    14,
                    VirtAddr{0xffff'8880'05bd'0000},
                    true,
                    "on no freelist",
                    std::vector<std::byte>(1024)};
  object.content[0x2c8] = std::byte{0x06};
  object.content[0x2c9] = std::byte{0x01};
  findings.pointers.push_back({"register R12", VirtAddr{0xffff'8880'05bd'3ac0},
                               "kmalloc-1k object 0xffff888005bd3800 +0x2c0 (allocated)", object,
                               0x2c0});
  findings.remarks.push_back(
      "a remark that is so long that it has to be broken into two lines "
      "because a terminal has one hundred columns and no more");
  findings.seconds = 0.0421;
  return findings;
}

TEST(FindingsText, BeginsWithWhatHappened) {
  EXPECT_THAT(to_text(example()), testing::StartsWith("crash      BUG: unable to handle"));
}

TEST(FindingsText, MarksTheFaultingAddressInTheObjectThatHoldsIt) {
  const auto text = to_text(example());
  EXPECT_THAT(text, HasSubstr("+0x2c0  0000000000000000 0000000000000106  ................"
                              "  <- 0x106 at +0x2c8"));
  EXPECT_THAT(text, HasSubstr("+0x2b0"));
  EXPECT_THAT(text, Not(HasSubstr("+0x2e0")));
}

TEST(FindingsText, KeepsToHundredColumnsAndLetsNoGuestSteerTheTerminal) {
  const auto text = to_text(example());
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\x9b"))) << "CSI as one byte";
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    EXPECT_LE(end - begin, 100u) << text.substr(begin, end - begin);
  }
}

TEST(FindingsText, TellsOfTheCrashNotOfWhatHealthyKernelsReportBefore) {
  auto findings = example();
  oops::Report before;
  before.kind = "page-allocation-failure";
  before.title = "load: page allocation failure";
  before.frames = {{"warn_alloc", 1, 2, "", true}};
  findings.reports.insert(findings.reports.begin(), before);
  const auto text = to_text(findings);
  EXPECT_THAT(text, testing::StartsWith("crash      BUG: unable to handle"));
  EXPECT_THAT(text, Not(HasSubstr("warn_alloc")));
  findings.reports.pop_back();
  findings.panic.reset();
  EXPECT_THAT(to_text(findings), testing::StartsWith("crash      no crash: the kernel survived"));
}

TEST(FindingsText, OfAHealthyGuestSaysThatNothingCrashed) {
  Findings findings;
  findings.log = "[    0.000000] Linux version 6.1.0\n";
  EXPECT_THAT(to_text(findings), testing::StartsWith("crash      no crash: neither"));
}

TEST(FindingsText, WithoutALogNobodyKnowsWhetherItCrashed) {
  Findings findings;
  EXPECT_THAT(to_text(findings), testing::StartsWith("crash      not known"));
}

TEST(FindingsJson, IsOneDocumentWithEverythingInIt) {
  const auto document = boost::json::parse(to_json(example())).as_object();
  EXPECT_EQ(document.at("schema"), 2);
  EXPECT_EQ(document.at("core").at("kaslr_offset"), "0x2c200000");
  EXPECT_EQ(document.at("exception").at("address"), "0x106");
  EXPECT_EQ(document.at("exception").at("registers").at("R12"), "0xffff888005bd3ac0");
  EXPECT_EQ(document.at("reports").at(0).at("frames").at(1).at("module"), "early");
  const auto& object = document.at("pointers").at(0).at("object");
  EXPECT_EQ(object.at("cache"), "kmalloc-1k");
  EXPECT_EQ(object.at("allocated"), true);
  const std::string content(object.at("content").as_string());
  EXPECT_EQ(content.size(), 2048u);
  EXPECT_EQ(content.substr(0x2c8 * 2, 8), "06010000");
  EXPECT_EQ(document.at("log"), "[    0.000000] first\\xff line\n");
}

TEST(FindingsJson, GivesNullForWhatCouldNotBeEstablished) {
  const auto document = boost::json::parse(to_json(Findings{})).as_object();
  for (const char* name : {"panic", "exception"}) EXPECT_TRUE(document.at(name).is_null()) << name;
  EXPECT_TRUE(document.at("core").at("paging_levels").is_null());
}

TEST(Analyze, WhatIsNoCoreIsTheInputsFault) {
  const auto findings = analyze("/dev/null");
  ASSERT_FALSE(findings);
  EXPECT_EQ(findings.error().blame, Blame::kInput);
}

TEST(Analyze, ACoreWithoutAnyMemoryOfTheKernelStillSaysWhatItIs) {
  const auto folder = TempDir::create("findings-test");
  ASSERT_TRUE(folder);
  const fs::path path = folder->path() / "core";
  ASSERT_TRUE(fakes::write_bytes(path, fakes::minimal_core("6.1.0-77-amd64")));
  const auto findings = analyze(path);
  ASSERT_TRUE(findings) << findings.error().message();
  EXPECT_EQ(findings->core.release, "6.1.0-77-amd64");
  EXPECT_EQ(findings->core.vmcoreinfo, "note");
  EXPECT_EQ(findings->cpus.size(), 1u);
  EXPECT_FALSE(findings->remarks.empty());
}

}  // namespace
}  // namespace rig::analyzer
