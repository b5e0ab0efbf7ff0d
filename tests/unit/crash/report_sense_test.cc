// SPDX-License-Identifier: Apache-2.0
#include "crash/report_sense.h"

#include <gtest/gtest.h>

#include <string>

namespace rig::crash {
namespace {

constexpr char kUnstamped[] = "BUG: kernel NULL pointer dereference, address: 0000000000000106";
constexpr char kBoot[] = "[    0.000000] Linux version 6.1.0\n";

TEST(ReportSense, TheSameTextIsAReportOnlyWithTheKernelsStamp) {
  ReportSense sense;
  sense.look("[    0.000000] Linux version 6.1.0");
  EXPECT_FALSE(sense.look(kUnstamped).report);
  EXPECT_FALSE(sense.look(kUnstamped).kernels);
  EXPECT_EQ(sense.look(std::string("[   12.000000] ") + kUnstamped).report, "null-deref");
}

TEST(ReportSense, KernelsLineBehindAProgramsUnfinishedOneIsTheKernels) {
  ReportSense sense;
  const auto line = sense.look(std::string("50 % [done] [   12.000000] ") + kUnstamped);
  EXPECT_TRUE(line.kernels);
  EXPECT_EQ(line.report, "null-deref");
}

TEST(ReportSense, WithoutAnyStampEveryLineCounts) {
  EXPECT_EQ(ReportSense().look(kUnstamped).report, "null-deref");
}

TEST(KernelsLines, ProgramsReportIsNotTheOneToJudge) {
  const std::string fake = std::string(kUnstamped) +
                           "\nRIP: 0010:fake_function+0x83/0x180\nCall Trace:\n"
                           " fake_function+0x1/0x2\n";
  const std::string real =
      "[   12.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [load:99]\n"
      "[   12.000001] RIP: 0010:real_function+0x83/0x180\n"
      "[   12.000002] Call Trace:\n"
      "[   12.000003]  real_function+0x1/0x20\n";
  const std::string console = kBoot + fake + real;
  EXPECT_EQ(oops::cause(oops::parse_reports(console))->kind, "null-deref") << "else why the pains";
  const auto cause = oops::cause(oops::parse_reports(kernels_lines(console)));
  ASSERT_TRUE(cause);
  EXPECT_EQ(cause->kind, "soft-lockup");
  EXPECT_EQ(cause->function, "real_function");
  EXPECT_EQ(cause->first_line, 5u) << "counted in the console";
}

TEST(KernelsLines, StampedLineThatTheLogDeniesIsAPrograms) {
  const std::string log = "[    0.000000] Linux version 6.1.0\n[    9.000001] the last record\n";
  const std::string console =
      std::string(kBoot) + "[    5.000000] BUG: a fake\n[    9.000001] the last record\nx\n";
  EXPECT_EQ(kernels_lines(console, KernelLog(log, true)),
            std::string(kBoot) + "\n[    9.000001] the last record\n\n");
}

TEST(KernelLog, DeniesMomentsAtWhichNothingWasLogged) {
  const KernelLog log("[    1.000000] a\n[    1.000500] b\nno stamp\n", true);
  EXPECT_FALSE(log.denies("[    1.000500] b, or what the console makes of it"));
  EXPECT_FALSE(log.denies("[    1.000500][   T12] with its caller"));
  EXPECT_TRUE(log.denies("[    1.000499] b"));
  EXPECT_TRUE(log.denies("a prompt# [    1.000499] b")) << "whatever is in front";
  EXPECT_TRUE(log.denies("[ 9999.000000] c")) << "the log is whole";
}

TEST(KernelLog, SaysNothingOfWhatItDoesNotReachTo) {
  const std::string text = "[    1.000000] a\n[    2.000000] b\n";
  EXPECT_FALSE(KernelLog(text, true).denies("[    0.999999] overwritten since"));
  EXPECT_FALSE(KernelLog(text, false).denies("[    2.000001] printed later"));
  EXPECT_TRUE(KernelLog(text, false).denies("[    1.999999] c"));
  EXPECT_FALSE(KernelLog(text, true).denies("no stamp"));
  EXPECT_FALSE(KernelLog(text, true).denies("[Mon Mar 14 12:00:00 2022] a date"));
  EXPECT_FALSE(KernelLog().denies("[    1.000000] a"));
  EXPECT_FALSE(KernelLog("", true).denies("[    1.000000] a"));
}

TEST(KernelsLines, LinesKeepTheirNumbers) {
  EXPECT_EQ(kernels_lines(std::string(kBoot) + "a\nb [c] [    1.000000] d\ne"),
            std::string(kBoot) + "\nb [c] [    1.000000] d\n");
  EXPECT_EQ(kernels_lines("a\nb\n"), "a\nb\n");
}

}  // namespace
}  // namespace rig::crash
