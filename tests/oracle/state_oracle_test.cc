// SPDX-License-Identifier: Apache-2.0
// What the kernel was doing and what it had: back trace, log, modules, mounts, memory.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "oracle/sides.h"

namespace rig::oracle {
namespace {

struct Frame {
  std::string function, address;
  bool operator==(const Frame&) const = default;
};

// " #3 [ffffc900003e3bd8] panic+0x177 at ffffffff81a01e27 [truth]": crash has no "+0x177".
std::vector<Frame> frames(const std::string& text) {
  std::vector<Frame> found;
  for (const std::string& line : lines(text)) {
    const auto parts = words(line);
    if (parts.size() < 5 || parts[0][0] != '#' || parts[3] != "at") continue;
    found.push_back({parts[2].substr(0, parts[2].find('+')), parts[4]});
  }
  return found;
}

// What this file asks of crash, in one start of it for each core.
const std::string& crash_state(const std::string& core, const std::string& command) {
  static std::map<std::string, std::map<std::string, std::string>> known;
  auto& answers = known[core];
  if (answers.empty()) {
    const std::vector<std::string> commands{"bt", "log", "mod", "mount", "kmem -i", "ps"};
    const Answers all = ask_crash(core, commands);
    for (std::size_t i = 0; i < commands.size(); ++i) answers[commands[i]] = all[i];
  }
  return answers.at(command);
}

class StateOracle : public testing::TestWithParam<std::string> {};

// crash begins at panic(), and adds what was left on the stack by calls that have returned. Our
// frames from panic() on must all be among crash's, in order.
TEST_P(StateOracle, BackTraceOfThePanickingTaskAgrees) {
  const auto theirs = frames(crash_state(GetParam(), "bt"));
  auto ours = frames(ask_crashrig(GetParam(), {"bt"})[0]);
  ASSERT_FALSE(theirs.empty());
  const auto first = std::find(ours.begin(), ours.end(), theirs[0]);
  ASSERT_NE(first, ours.end()) << "we do not have crash's first frame, " << theirs[0].function;
  const auto deeper = static_cast<std::size_t>(first - ours.begin());
  ours.erase(ours.begin(), first);

  std::size_t matched = 0;
  std::string stale;
  for (const Frame& frame : theirs) {
    if (matched < ours.size() && frame == ours[matched]) {
      ++matched;
    } else {
      stale += " " + frame.function;
    }
  }
  fmt::print("{} frames agree; {} deeper ones that crash leaves out; stale in crash:{}\n", matched,
             deeper, stale.empty() ? " none" : stale);
  ASSERT_EQ(matched, ours.size()) << "crash lacks " << ours[matched].function << " at "
                                  << ours[matched].address;
  EXPECT_EQ(theirs.back(), ours.back()) << "both end where the kernel was entered";
  EXPECT_GE(matched, 5u);
}

// A message of several lines: the kernel's own readers repeat the time before each of them, and so
// do we; crash writes as many blanks instead.
std::string as_crash_continues(const std::string& ours, const std::string& theirs) {
  const auto blanks = theirs.find_first_not_of(' ');
  const auto prefix = ours.find("] ");
  if (blanks == 0 || theirs.empty() || ours[0] != '[' || prefix == std::string::npos) return ours;
  return std::string(prefix + 2, ' ') + ours.substr(prefix + 2);
}

TEST_P(StateOracle, LogIsTheSameByteForByte) {
  const std::string& theirs = crash_state(GetParam(), "log");
  ASSERT_GT(theirs.size(), 10000u);
  const auto left = split(ask_crashrig(GetParam(), {"log"})[0], '\n');
  const auto right = split(theirs, '\n');
  ASSERT_EQ(left.size(), right.size());
  std::size_t continued = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const std::string line = as_crash_continues(left[i], right[i]);
    if (line != left[i]) ++continued;
    EXPECT_EQ(line, right[i]);
  }
  fmt::print("{} bytes, {} lines that continue a message\n", theirs.size(), continued);
}

// The columns `picked` of every line that begins with an address, by address.
std::map<std::string, std::vector<std::string>> rows(const std::string& text,
                                                     const std::vector<std::size_t>& picked) {
  std::map<std::string, std::vector<std::string>> found;
  for (const std::string& line : lines(text)) {
    const auto parts = words(line);
    if (parts.size() <= picked.back() || !hex(parts[0])) continue;
    for (const std::size_t column : picked) found[parts[0]].push_back(parts[column]);
  }
  return found;
}

TEST_P(StateOracle, ModulesAgree) {  // address, name, base, size
  const auto theirs = rows(crash_state(GetParam(), "mod"), {0, 1, 2, 3});
  EXPECT_EQ(rows(ask_crashrig(GetParam(), {"mods"})[0], {0, 1, 2, 3}), theirs);
  EXPECT_FALSE(theirs.empty());
  fmt::print("{} modules\n", theirs.size());
}

TEST_P(StateOracle, MountsAgree) {  // mount, superblock, type, device, directory
  const auto theirs = rows(crash_state(GetParam(), "mount"), {0, 1, 2, 3, 4});
  EXPECT_EQ(rows(ask_crashrig(GetParam(), {"mounts"})[0], {0, 1, 2, 3, 4}), theirs);
  EXPECT_FALSE(theirs.empty());
  fmt::print("{} mounts\n", theirs.size());
}

struct KnownRow {
  const char* row;
  const char* reason;
};
const KnownRow kKnownRows[] = {
    {"SLAB",
     "crash has the kernel's SReclaimable: only; ours is Slab:, with what is unreclaimable"},
    {"COMMITTED", "crash leaves out the part of vm_committed_as that is still with the CPUs"},
    {"SHARED", "crash counts pages with more than one user; ours is the kernel's Mapped:"},
};

// " COMMIT LIMIT    70294     274.6 MB  ----" -> {"COMMIT LIMIT", "70294"}
std::map<std::string, std::string> memory_rows(const std::string& text) {
  std::map<std::string, std::string> found;
  for (const std::string& line : lines(text)) {
    std::string name;
    for (const std::string& word : words(line)) {
      if (!std::isdigit(static_cast<unsigned char>(word[0]))) {
        name += (name.empty() ? "" : " ") + word;
        continue;
      }
      if (!name.empty()) found.emplace(name, word);
      break;
    }
  }
  return found;
}

TEST_P(StateOracle, MemoryRowsAgreeButForThoseExplained) {
  const auto theirs = memory_rows(crash_state(GetParam(), "kmem -i"));
  const auto ours = memory_rows(ask_crashrig(GetParam(), {"mem"})[0]);
  std::size_t same = 0;
  for (const auto& [name, pages] : theirs) {
    ASSERT_TRUE(ours.contains(name)) << name;
    const auto known = std::find_if(std::begin(kKnownRows), std::end(kKnownRows),
                                    [&](const KnownRow& each) { return name == each.row; });
    if (known == std::end(kKnownRows)) {
      EXPECT_EQ(ours.at(name), pages) << name;
      ++same;
    } else if (ours.at(name) != pages) {
      fmt::print("{}: {} for crash's {}: {}\n", name, ours.at(name), pages, known->reason);
    }
  }
  EXPECT_GE(same, 11u);
}

// On 6.1.192 crash finds the running tasks only: they at least are the same. Their parents it does
// not find at all (-1), and it takes every idle task's for 0.
TEST_P(StateOracle, TasksThatCrashFindsAreTheSame) {
  const auto pick = [](const std::string& text) {
    std::set<std::vector<std::string>> found;
    for (const std::string& line : lines(text)) {
      auto parts = words(line);
      if (!parts.empty() && parts[0] == ">") parts.erase(parts.begin());
      if (parts.size() < 9 || parts[0] == "PID") continue;
      found.insert({parts[0], parts[2], parts[3], parts[4], parts[8]});
    }
    return found;
  };
  const auto theirs = pick(crash_state(GetParam(), "ps"));
  const auto ours = pick(ask_crashrig(GetParam(), {"ps"})[0]);
  EXPECT_THAT(ours, testing::IsSupersetOf(theirs));
  EXPECT_GE(theirs.size(), 2u);
  fmt::print("{} tasks, of which crash has {}\n", ours.size(), theirs.size());
}

INSTANTIATE_TEST_SUITE_P(Cores, StateOracle, testing::ValuesIn(cores()));

TEST(Oracle, ThereAreCoresToAsk) {
  EXPECT_FALSE(cores().empty()) << "start this through ./rig test --oracle, which makes the cores";
}

}  // namespace
}  // namespace rig::oracle
