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

TEST(KernelsLines, LinesKeepTheirNumbers) {
  EXPECT_EQ(kernels_lines(std::string(kBoot) + "a\nb [c] [    1.000000] d\ne"),
            std::string(kBoot) + "\nb [c] [    1.000000] d\n");
  EXPECT_EQ(kernels_lines("a\nb\n"), "a\nb\n");
}

}  // namespace
}  // namespace rig::crash
