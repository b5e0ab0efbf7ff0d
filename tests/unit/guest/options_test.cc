// SPDX-License-Identifier: Apache-2.0
#include "guest/stress/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rig::guest {
namespace {

using testing::ElementsAre;

class OptionsTest : public testing::Test {
 protected:
  OptionsTest() {
    options_.number("--seconds", seconds_, 1, 100);
    options_.text("--disk", "PATH", disk_);
    options_.texts("--validate", "CACHE", caches_);
    options_.flag("--disk-only", disk_only_);
  }

  std::string read(std::vector<std::string> words) {
    words.insert(words.begin(), "load");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    return options_.read(static_cast<int>(argv.size()), argv.data());
  }

  Options options_{"load"};
  std::uint64_t seconds_ = 10;
  std::string disk_;
  std::vector<std::string> caches_;
  bool disk_only_ = false;
};

TEST_F(OptionsTest, WhatIsNotGivenKeepsItsValue) {
  EXPECT_EQ(read({}), "");
  EXPECT_EQ(seconds_, 10u);
  EXPECT_FALSE(disk_only_);
}

TEST_F(OptionsTest, EachFillsItsPlace) {
  EXPECT_EQ(read({"--disk-only", "--seconds", "100", "--disk", "/dev/vda", "--validate",
                  "kmalloc-8", "--validate", "kmalloc-32"}),
            "");
  EXPECT_TRUE(disk_only_);
  EXPECT_EQ(seconds_, 100u);
  EXPECT_EQ(disk_, "/dev/vda");
  EXPECT_THAT(caches_, ElementsAre("kmalloc-8", "kmalloc-32"));
}

TEST_F(OptionsTest, NumbersAreDecimalAndWithinTheirLimits) {
  for (const char* wrong :
       {"", "0", "101", "-1", "+5", " 5", "5s", "0x10", "99999999999999999999999"}) {
    EXPECT_EQ(read({"--seconds", wrong}),
              "--seconds is a number, 1 to 100, and not '" + std::string(wrong) + "'");
  }
  EXPECT_EQ(seconds_, 10u);
}

TEST_F(OptionsTest, UnknownAndUnfinishedOptionsAreRefused) {
  EXPECT_EQ(read({"--second", "1"}), "there is no option '--second'");
  EXPECT_EQ(read({"1"}), "there is no option '1'");
  EXPECT_EQ(read({"--disk"}), "--disk wants a value");
}

TEST_F(OptionsTest, ArgumentIsOneWordWithoutADash) {
  std::string trigger;
  options_.argument("TRIGGER", trigger);
  EXPECT_EQ(read({"--seconds", "1", "PANIC", "--disk-only"}), "");
  EXPECT_EQ(trigger, "PANIC");
  EXPECT_EQ(read({"BUG"}), "there is more than one TRIGGER");
  EXPECT_EQ(read({"-x"}), "there is no option '-x'");
  EXPECT_EQ(options_.usage(),
            "load [--seconds N] [--disk PATH] [--validate CACHE]... [--disk-only] [TRIGGER]");
}

TEST_F(OptionsTest, UsageIsWrittenFromTheTable) {
  EXPECT_EQ(options_.usage(),
            "load [--seconds N] [--disk PATH] [--validate CACHE]... [--disk-only]");
}

}  // namespace
}  // namespace rig::guest
