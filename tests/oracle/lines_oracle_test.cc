// SPDX-License-Identifier: Apache-2.0
// Source lines: both sides with the same debuginfo, by libdw here and by gdb inside crash.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "base/text.h"
#include "oracle/sides.h"

namespace rig::oracle {
namespace {

constexpr double kAgreeing = 0.9;

using LineOf = std::map<std::uint64_t, std::string>;  // "kernel/panic.c: 276" by address

// "FILE: LINE" before the first instruction that it holds for; "0xffffffff81a01cb0 <panic>: ...".
LineOf instructions(const std::string& text) {
  LineOf found;
  std::string line;
  for (const std::string& each : lines(text)) {
    const auto parts = words(each);
    if (parts.empty()) continue;
    if (!parts[0].starts_with("0x")) {
      line = std::string(trim(each));
    } else if (const auto address = hex(std::string_view(parts[0]).substr(2)); address) {
      found[*address] = line;
    }
  }
  return found;
}

std::string debuginfo_option() {
  const char* vmlinux = std::getenv("CRASHRIG_ORACLE_VMLINUX");
  return fmt::format("--debuginfo '{}'", vmlinux == nullptr ? "" : vmlinux);
}

class LinesOracle : public testing::TestWithParam<std::string> {};

// crash has the path of the build before the path in the kernel's tree.
TEST_P(LinesOracle, InstructionsHaveTheLinesThatGdbGivesThem) {
  std::vector<std::string> questions;
  for (const char* function :
       {"panic", "sysrq_handle_crash", "vfs_write", "ksys_write", "proc_reg_write", "do_mmap",
        "kmem_cache_free", "tcp_sendmsg", "handle_mm_fault", "try_to_wake_up", "schedule"}) {
    questions.push_back(fmt::format("dis -l {}", function));
  }
  const Answers theirs = ask_crash(GetParam(), questions);
  const Answers ours = ask_crashrig(GetParam(), questions, debuginfo_option());
  std::size_t compared = 0, agreeing = 0;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const LineOf mine = instructions(ours[i]);
    for (const auto& [address, line] : instructions(theirs[i])) {
      const auto found = mine.find(address);
      if (found == mine.end()) continue;
      ++compared;
      if (line.ends_with("/" + found->second)) {
        ++agreeing;
      } else if (compared - agreeing <= 20) {
        fmt::print("{:x}: {}; crash: {}\n", address, found->second, line);
      }
    }
  }
  fmt::print("{} of {} instructions have the same line\n", agreeing, compared);
  EXPECT_GE(compared, 1000u);
  EXPECT_GE(static_cast<double>(agreeing), kAgreeing * static_cast<double>(compared));
}

TEST_P(LinesOracle, EveryFrameOfTheKernelHasALine) {
  const std::string text = ask_crashrig(GetParam(), {"bt -l"}, debuginfo_option())[0];
  std::string frame;  // that has no line yet
  std::size_t frames = 0;
  for (const std::string& each : lines(text)) {
    const auto parts = words(each);
    const bool begins = parts.size() >= 5 && parts[0][0] == '#';
    if (begins || parts[0] == "end:") {
      EXPECT_EQ(frame, "") << "has no line";
      frame = begins && !each.ends_with(']') ? each : "";  // of a module: no debuginfo of it
      frames += begins ? 1 : 0;
    } else if (each.find(".c: ") != each.npos || each.find(".S: ") != each.npos ||
               each.find(".h: ") != each.npos) {
      frame.clear();
    }
  }
  EXPECT_GE(frames, 5u);
}

INSTANTIATE_TEST_SUITE_P(Cores, LinesOracle, testing::ValuesIn(cores()),
                         [](const auto& test) { return fmt::format("Core{}", test.index); });

}  // namespace
}  // namespace rig::oracle
