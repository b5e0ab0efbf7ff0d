// SPDX-License-Identifier: Apache-2.0
// Logs that come in pieces, long ones, hostile ones.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "fakes/cpu_watch.h"
#include "oops/report.h"
#include "oops/report_names.h"

namespace rig::oops {
namespace {

constexpr std::string_view kWarning =
    "[    1.000000] WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n"
    "[    1.000001] RIP: 0010:f+0x1/0x2\n"
    "[    1.000002] Call Trace:\n"
    "[    1.000003]  g+0x1/0x2\n"
    "[    1.000004]  do_syscall_64+0x1/0x2\n"
    "[    1.000005] ---[ end trace 0 ]---\n";

std::vector<Report> read(std::string_view log) {
  ReportStream stream;
  stream.feed(log);
  return stream.finish();
}

TEST(Stream, PiecesOfALogGiveTheReportsOfTheWhole) {
  std::string log =
      "one\n\ntwo\n" + std::string(kWarning) + "[    2.000000] usb 1-1: WARNING: odd\n";
  log += kWarning;
  log += "[    9.000000] Kernel panic - not syncing: panic_on_warn set ...";
  ReportStream stream;
  for (std::string_view rest = log; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    stream.feed(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  const auto pieces = stream.finish();
  const auto whole = read(log);
  ASSERT_EQ(whole.size(), 3u);
  ASSERT_EQ(pieces.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(pieces[i].title, whole[i].title);
    EXPECT_EQ(pieces[i].first_line, whole[i].first_line);
    EXPECT_EQ(pieces[i].last_line, whole[i].last_line);
    EXPECT_TRUE(pieces[i].panicked);
  }
  EXPECT_EQ(whole[0].first_line, 3u);
  EXPECT_EQ(whole[1].title, "WARNING: odd");
}

// What the kernel prints may stand behind a program's unfinished line of any length.
TEST(Stream, AReportThatBeginsFarIntoALineIsRead) {
  for (const std::size_t before : {5'000u, 100'000u}) {
    const std::string noise(before, '=');
    const std::string log = noise + "WARNING: support is incomplete\n" + noise +
                            "BUG: kernel NULL pointer dereference, address: 0000000000000106\n"
                            "RIP: 0010:f+0x1/0x2\nCall Trace:\n g+0x1/0x2\n" +
                            noise + "INFO: odd thing\n" + noise + std::string(kWarning);
    ReportStream stream;
    for (std::string_view rest = log; !rest.empty();) {
      const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
      stream.feed(std::string(rest.substr(0, end)));  // gone when the next one comes
      rest.remove_prefix(end);
    }
    const auto reports = stream.finish();
    ASSERT_EQ(reports.size(), 2u) << before;
    EXPECT_EQ(reports[0].title, "BUG: unable to handle kernel NULL pointer dereference in f");
    EXPECT_EQ(reports[0].address, 0x106u);
    EXPECT_EQ(reports[1].title, "WARNING in f");
  }
}

// As `crashrig oops` gives a line that is longer than what it holds.
TEST(Stream, PiecesOfALineCountAsOne) {
  ReportStream stream;
  for (int i = 0; i < 5; ++i) stream.feed("no end ");
  stream.feed("but here\n");
  stream.feed(kWarning);
  const auto reports = stream.finish();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].first_line, 1u);
}

TEST(Stream, RemarksAreNoReportsButMayNameALog) {
  const std::string_view log = "[    2.000000] usb 1-1: WARNING: support is incomplete\n";
  EXPECT_TRUE(parse_reports(log).empty());
  const auto all = read(log);
  ASSERT_NE(headline(all), nullptr);
  EXPECT_EQ(headline(all)->title, "WARNING: support is incomplete");
  EXPECT_FALSE(cause(all));
  const auto with_crash = read(std::string(log) + std::string(kWarning));
  EXPECT_EQ(headline(with_crash)->title, "WARNING in f");
}

TEST(Stream, OnlyABootThatNobodyAskedForIsAReboot) {
  const std::string boot =
      "SeaBIOS (version 1)\nDecompressing Linux... done.\nBooting the kernel.\n";
  EXPECT_TRUE(read(boot + "[    0.000000] Linux version 6.1\n").empty());
  const auto reports = read(boot + "[    0.000000] Linux version 6.1\n" + boot);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].title, "unexpected kernel reboot");
  EXPECT_EQ(reports[0].type, "REBOOT");
}

TEST(Stream, LaterCrashesMayFollowFromTheFirstOfTheirBoot) {
  const std::string warning(kWarning);
  const auto reports =
      read(warning + "[    2.000000] load: page allocation failure: order:4, mode:0x1\n" + warning +
           "SeaBIOS (version 1)\nBooting the kernel.\n" + warning);
  ASSERT_EQ(reports.size(), 5u);
  EXPECT_FALSE(reports[0].caused_by);
  EXPECT_FALSE(reports[1].caused_by);
  EXPECT_EQ(reports[2].caused_by, 0u);
  EXPECT_FALSE(reports[4].caused_by);
}

TEST(Stream, AFuzzersKilledProcessSuppressesTheLog) {
  const auto reports = read("[    0.500000] Out of memory: Killed process 9 (sshd) total-vm:1kB\n" +
                            std::string(kWarning));
  EXPECT_TRUE(reports.back().suppressed);
  EXPECT_FALSE(read(kWarning).back().suppressed);
}

TEST(Stream, ACutConsoleCorrupts) {
  EXPECT_TRUE(read(std::string(kWarning) + "serialport: VM disconnected.\n").front().corrupted);
  EXPECT_FALSE(read(kWarning).front().corrupted);
}

TEST(Names, BareAddressesGetThem) {
  const AddressNames names = [](std::uint64_t address) -> std::optional<std::string> {
    if (address != 0xffffffffc0a01234) return std::nullopt;
    return "late_write+0x14/0x40 [late]";
  };
  EXPECT_EQ(name_addresses("[    1.000000]  0xffffffffc0a01234", names),
            "[    1.000000]  late_write+0x14/0x40 [late]");
  EXPECT_EQ(name_addresses("[    1.000000]  ? 0xffffffffc0a01234", names),
            "[    1.000000]  ? late_write+0x14/0x40 [late]");
  EXPECT_EQ(name_addresses("[    1.000000] RIP: 0010:0xffffffffc0a01234", names),
            "[    1.000000] RIP: 0010:late_write+0x14/0x40 [late]");
  EXPECT_EQ(name_addresses(" [<ffffffffc0a01234>]", names),
            " [<ffffffffc0a01234>] late_write+0x14/0x40 [late]");
  for (const char* line :
       {"[    1.000000]  0xffffffffc0000000", "[    1.000000] RIP: 0010:f+0x1/0x2",
        "R10: ffffffffc0a01234", "", "0x"}) {
    EXPECT_EQ(name_addresses(line, names), line);
  }
}

// Twice the text may cost twice the time, not four times: the nastiest forms that are known.
struct Nasty {
  const char* name;
  std::function<std::string(std::size_t)> make;  // of so many units
};

double seconds(const std::string& log) {
  double best = 1e9;
  for (int i = 0; i < 2; ++i) {
    const fake::CpuWatch watch;
    read(log);
    best = std::min(best, watch.seconds());
  }
  return best;
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

TEST(Stream, TimeGrowsWithTheText) {
  const Nasty kForms[] = {
      {"first lines without end",
       [](std::size_t n) { return repeated("BUG: KASAN: use-after-free in f+0x1/0x2\n", n); }},
      {"interleaved CPUs",
       [](std::size_t n) {
         std::string log;
         for (std::size_t i = 0; i < n; ++i) {
           log += fmt::format("[    1.000000][ T{0}] BUG: KASAN: use-after-free in f+0x1/0x2\n",
                              i % 32);
         }
         return log;
       }},
      {"frames without heading",
       [](std::size_t n) {
         return "BUG: KFENCE: invalid read in f+0x1/0x2\n" + repeated(" f+0x1/0x2\n", n);
       }},
      {"registers on one line",
       [](std::size_t n) {
         return "BUG: kernel NULL pointer dereference, address: 0\n" +
                repeated("RAX: 0000000000000000 ", n);
       }},
      {"brackets on one line",
       [](std::size_t n) { return "BUG: KASAN: [" + repeated("[ 1.2", n) + "\n"; }},
      {"needles on one line", [](std::size_t n) { return repeated("WARNING: BUG: INFO: ", n); }},
      {"locks",
       [](std::size_t n) {
         return "WARNING: possible circular locking dependency detected\n" +
                repeated("x is trying to acquire lock: (l), at: f+0x1/0x2\n", n);
       }},
      {"one short report", [](std::size_t n) { return repeated(kWarning, n); }},
      {"a line without end", [](std::size_t n) { return repeated("no end in sight ", n); }},
      {"a report's line without end",
       [](std::size_t n) { return "BUG: KASAN: use-after-free in f" + repeated("+0x1/0x2 ", n); }},
      {"reports within reports", [](std::size_t n) {
         return repeated(
             "[    1.000000][    T1] BUG: KASAN: use-after-free in f+0x1/0x2\n"
             "[    1.000000][    T2] WARNING: possible recursive locking detected\n"
             "[    1.000000][    T3] Call Trace:\n[    1.000000][    T1]  g+0x1/0x2\n",
             n);
       }}};
  for (const Nasty& form : kForms) {
    std::size_t units = 1000;
    while (units < 4'000'000 && seconds(form.make(units)) < 0.01) units *= 2;
    const double once = seconds(form.make(units));
    const double twice = seconds(form.make(2 * units));
    EXPECT_LT(twice, 3.5 * once + 0.01) << form.name << " of " << units;
  }
}

// The same at the size of a real log: 10 MB cost four times as much as a quarter of them, and
// nothing that a reader would notice.
TEST(Stream, TenMegabytesOfAnythingCostLittle) {
  constexpr std::size_t kSize = 10'000'000;
  for (const std::string_view unit :
       {std::string_view("no end in sight "), kWarning,
        std::string_view("[    1.000000][    T1] BUG: KASAN: use-after-free in f+0x1/0x2\n"
                         "[    1.000000][    T2] general protection fault: 0000 [#1]\n")}) {
    const double quarter = seconds(repeated(unit, kSize / 4 / unit.size()));
    const double whole = seconds(repeated(unit, kSize / unit.size()));
    EXPECT_LT(whole, 8 * quarter + 0.1) << unit;
    EXPECT_LT(whole, 10) << unit;
  }
}

}  // namespace
}  // namespace rig::oops
