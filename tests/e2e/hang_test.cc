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
  boost::json::object run(const std::string& scenario, const std::string& variant,
                          const std::string& detector = "none") {
    const auto ended = bench_.crashrig({"run", scenario, "--arch", GetParam(), "--variant", variant,
                                        "--detector", detector, "--keep-core", "--json"});
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
class HangOnX86 : public Hang {};
INSTANTIATE_TEST_SUITE_P(Arch, HangOnX86, testing::Values("x86_64"), kArchName);
class HangOnArm64 : public Hang {};
INSTANTIATE_TEST_SUITE_P(Arch, HangOnArm64, testing::Values("arm64"), kArchName);

TEST_P(HangOnX86, GuestWithoutAnyInterruptIsAHardHangAndItsCoreTellsWhereEachCpuIs) {
  const auto attempt = run("hangs", "irqs-off");
  EXPECT_EQ(attempt.at("outcome"), "expected-crash") << output_;
  EXPECT_EQ(attempt.at("hang").at("kind"), "hard");
  EXPECT_TRUE(attempt.at("report").is_null()) << "nobody was there to say anything";
  const std::string text = analyze(attempt);
  EXPECT_THAT(text, HasSubstr("CPU 0 does not leave hang_spin [hang] < hang_irqs_off [hang]"));
  EXPECT_THAT(text, HasSubstr("CPU 1 does not leave hang_spin [hang] < hang_irqs_off [hang]"));
}

TEST_P(HangOnX86, WatchdogTellsLongBeforeTheSilenceAndAnNmiMakesTheKernelSpeak) {
  const auto attempt = run("hangs-watchdog", "irqs-off", "nmi-panic");
  EXPECT_EQ(attempt.at("outcome"), "expected-crash") << output_;
  EXPECT_EQ(attempt.at("reason"), "hard hang: the watchdog fired");
  EXPECT_GE(attempt.at("watchdog").to_number<int>(), 5) << "as the driver has set it";
  EXPECT_TRUE(attempt.at("report").is_null()) << "what follows the NMI is no cause";
  const auto& said = attempt.at("hang").at("nmi").at("report");
  EXPECT_EQ(said.at("title"), "kernel panic: NMI: Not continuing");
  EXPECT_THAT(boost::json::serialize(said.at("frames")), HasSubstr("hang_irqs_off"));
  EXPECT_THAT(analyze(attempt), testing::Not(HasSubstr("NMI: Not continuing")))
      << "the core is as it was before";
}

TEST_P(HangOnArm64, TasksThatWaitForEachOtherAreASoftHangAndADeadlockForCertain) {
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

// A scenario whose load has this printed, as these arguments say, and that survives.
fs::path write_fake(const fs::path& folder, std::string_view arguments) {
  const fs::path file = folder / "fake.yaml";
  EXPECT_TRUE(write_file_atomically(file, fmt::format(R"(
name: fake
summary: a program prints what looks just like a kernel's report
arch: [x86_64, arm64]
kernel: debian-6.1
guest: {{memory: 256M}}
variants: {{some: {{args: [{}], expect: survive}}}}
stress: {{program: guest/stress/flood, args: [--bytes, "8192"], seconds: 60}}
)",
                                                      arguments)));
  return file;
}

TEST_P(HangOnX86, ReportThatAProgramStampsIsNone) {
  const auto attempt = run(write_fake(bench_.folder(),
                                      "--line, '[ 9999.000123] BUG: kernel NULL pointer "
                                      "dereference, address: 0000000000000106'")
                               .string(),
                           "some");
  EXPECT_EQ(attempt.at("outcome"), "survived") << output_;
  EXPECT_TRUE(attempt.at("core").is_null());
  EXPECT_THAT(output_, HasSubstr("the kernel's log has no such line"));
}

TEST_P(HangOnArm64, ReportThatAProgramWritesIntoTheKernelsLogIsNone) {
  const auto attempt = run(write_fake(bench_.folder(),
                                      "--log, '<2>BUG: kernel NULL pointer dereference, address: "
                                      "0000000000000106'")
                               .string(),
                           "some");
  EXPECT_EQ(attempt.at("outcome"), "survived") << output_;
  EXPECT_THAT(output_, HasSubstr("the kernel's log has no such line"));
}

}  // namespace
}  // namespace rig::e2e
