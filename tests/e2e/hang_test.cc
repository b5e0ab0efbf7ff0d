// SPDX-License-Identifier: Apache-2.0
// Guests that say nothing, or far too much, on the real QEMU and the real kernels. One of each: all
// of them are in the suites, and in slow_hang_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <string>

#include "base/text.h"
#include "e2e/flood.h"
#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;

class Hang : public testing::TestWithParam<std::string> {
 protected:
  boost::json::object run(const std::string& scenario, const std::string& variant) {
    const auto ended = bench_.crashrig(
        {"run", scenario, "--arch", GetParam(), "--variant", variant, "--keep-core", "--json"});
    output_ = ended.out + ended.err;
    EXPECT_EQ(ended.exit_code, 0) << output_;
    return attempt_of(ended.json(), variant);
  }
  std::string analyze(const boost::json::object& attempt) {
    return bench_.crashrig({"analyze", text_of(attempt.at("core"))}).out;
  }

  Bench bench_;
  std::string output_;
};
const auto kArchName = [](const auto& test) { return test.param; };
INSTANTIATE_TEST_SUITE_P(Arch, Hang, testing::Values("x86_64", "arm64"), kArchName);
// The waits make these the longest: one architecture each, both are in the slow suite.
class HardHang : public Hang {};
INSTANTIATE_TEST_SUITE_P(Arch, HardHang, testing::Values("x86_64"), kArchName);
class SoftHang : public Hang {};
INSTANTIATE_TEST_SUITE_P(Arch, SoftHang, testing::Values("arm64"), kArchName);

TEST_P(HardHang, GuestWithoutAnyInterruptIsAHardHangAndItsCoreTellsWhereEachCpuIs) {
  const auto attempt = run("hangs", "irqs-off");
  EXPECT_EQ(attempt.at("outcome"), "expected-crash") << output_;
  EXPECT_EQ(attempt.at("hang").at("kind"), "hard");
  EXPECT_TRUE(attempt.at("report").is_null()) << "nobody was there to say anything";
  const std::string text = analyze(attempt);
  EXPECT_THAT(text, HasSubstr("CPU 0 does not leave hang_spin [hang] < hang_irqs_off [hang]"));
  EXPECT_THAT(text, HasSubstr("CPU 1 does not leave hang_spin [hang] < hang_irqs_off [hang]"));
}

TEST_P(SoftHang, TasksThatWaitForEachOtherAreASoftHangAndADeadlockForCertain) {
  const auto attempt = run("hangs", "abba");
  EXPECT_EQ(attempt.at("outcome"), "expected-crash") << output_;
  EXPECT_EQ(attempt.at("hang").at("kind"), "soft");
  EXPECT_EQ(attempt.at("finding").at("kind"), "deadlock");
  EXPECT_THAT(analyze(attempt), HasSubstr("deadlock (certain): hang/"));
}

TEST_P(Hang, PanicOfTheBootIsJudgedByItsCore) {
  const auto attempt = run("boot-failures", "panic");
  EXPECT_EQ(attempt.at("outcome"), "expected-crash") << output_;
  EXPECT_FALSE(attempt.at("core").is_null());
}

TEST_P(Hang, ReportThatAProgramPrintsIsNone) {
  const auto attempt = run(write_flood(bench_.folder(), "300000").string(), "some");
  EXPECT_EQ(attempt.at("outcome"), "survived") << output_;
  const auto console = read_file(text_of(attempt.at("console")));
  ASSERT_TRUE(console) << console.error().message();
  EXPECT_THAT(*console, HasSubstr("\nBUG: kernel NULL pointer dereference, address: 0"));
}

}  // namespace
}  // namespace rig::e2e
