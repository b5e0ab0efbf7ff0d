// SPDX-License-Identifier: Apache-2.0
// What is at an address, and where that address is: text, data, modules, per-CPU areas, slab.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <map>

#include "oracle/sides.h"

namespace rig::oracle {
namespace {

constexpr std::size_t kWords = 8;     // read at each address
constexpr std::size_t kPerKind = 20;  // addresses of each kind

// "ffffffff81a01cb0 (T) panic": the addresses of the given types, apart from per-CPU offsets.
std::vector<std::uint64_t> addresses(const std::string& symbols, std::string_view types,
                                     bool per_cpu) {
  std::vector<std::uint64_t> found;
  for (const std::string& line : lines(symbols)) {
    const auto parts = words(line);
    const auto address = hex(parts[0]);
    if (parts.size() < 3 || !address || per_cpu != (*address < (1u << 20))) continue;
    if (types.find(parts[1][1]) != std::string_view::npos) found.push_back(*address & ~7ull);
  }
  return spread(found, kPerKind);
}

// Addresses spread over everything a kernel has.
std::vector<std::uint64_t> sample(const std::string& core) {
  const Answers answers = ask_crashrig(core, {"sym -l", "ps", "rd __per_cpu_offset 2"});
  std::vector<std::uint64_t> found = addresses(answers[0], "Tt", false);
  const auto data = addresses(answers[0], "DdBb", false);
  found.insert(found.end(), data.begin(), data.end());
  for (const std::string& line : lines(answers[1])) {  // task_structs: slab
    for (const std::string& word : words(line)) {
      if (word.size() == 16 && word.starts_with("ffff8") && hex(word)) found.push_back(*hex(word));
    }
  }
  const auto bases = words(answers[2]);
  for (const std::uint64_t offset : addresses(answers[0], "AaDd", true)) {
    for (std::size_t cpu = 1; cpu <= 2 && cpu < bases.size(); ++cpu) {
      found.push_back(hex(bases[cpu]).value_or(0) + offset);
    }
  }
  return found;
}

// crash computes where the kernel's image is, we walk the page tables: it reads what the kernel has
// freed and unmapped after its start, we say that it is not mapped.
class InitMemory {
 public:
  explicit InitMemory(const std::string& core) {
    const auto answer = lines(ask_crashrig(core, {"sym __init_begin __init_end"})[0]);
    if (answer.size() != 2) return;
    begin_ = hex(words(answer[0])[0]).value_or(0);
    end_ = hex(words(answer[1])[0]).value_or(0);
  }
  bool contains(std::uint64_t address) const { return address >= begin_ && address < end_; }

 private:
  std::uint64_t begin_ = 0, end_ = 0;
};

class MemoryOracle : public testing::TestWithParam<std::string> {};

// An answer to rd as its words, or as what cannot be read: both sides must say so, each in its way.
std::vector<std::string> memory_words(const std::string& text) {
  std::vector<std::string> found;
  if (text.find("error") != std::string::npos || text.find('<') != std::string::npos) {
    return {"unreadable"};
  }
  for (const std::string& line : lines(text)) {
    const auto parts = words(line);
    for (std::size_t i = 1; i < parts.size() && i <= 2; ++i) found.push_back(parts[i]);
  }
  return found;
}

TEST_P(MemoryOracle, WordsOfTextDataSlabAndPerCpuAreasAgree) {
  std::vector<std::string> questions;
  const auto at = sample(GetParam());
  const InitMemory init(GetParam());
  for (const std::uint64_t address : at) {
    questions.push_back(fmt::format("rd -64 {:x} {}", address, kWords));
  }
  const Answers ours = ask_crashrig(GetParam(), questions);
  const Answers theirs = ask_crash(GetParam(), questions);
  std::size_t compared = 0, unreadable = 0, freed = 0;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const auto left = memory_words(ours[i]);
    if (left.size() == 1 && init.contains(at[i])) {
      ++freed;
      continue;
    }
    EXPECT_EQ(left, memory_words(theirs[i])) << questions[i] << "\n" << ours[i] << theirs[i];
    if (left.size() == kWords) {
      compared += kWords;
    } else {
      ++unreadable;
    }
  }
  fmt::print("{} words at {} addresses; {} unreadable to both, {} in freed init memory\n", compared,
             questions.size(), unreadable, freed);
  EXPECT_GE(compared, 400u);
}

// Virtual to physical, from each pair of lines "VIRTUAL PHYSICAL" and its values.
std::map<std::string, std::string> translations(const std::string& text) {
  std::map<std::string, std::string> found;
  const auto all = lines(text);
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    const auto values = words(all[i + 1]);
    if (!all[i].starts_with("VIRTUAL") || values.size() < 2) continue;
    found[values[0]] = hex(values[1]) ? values[1] : "none";
  }
  return found;
}

TEST_P(MemoryOracle, PhysicalAddressesAgree) {
  std::vector<std::string> questions;
  const auto at = sample(GetParam());
  const InitMemory init(GetParam());
  for (const std::uint64_t address : at) {
    questions.push_back(fmt::format("vtop {:x}", address));
  }
  const Answers ours = ask_crashrig(GetParam(), questions);
  const Answers theirs = ask_crash(GetParam(), questions);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const auto left = translations(ours[i]);
    if (init.contains(at[i]) && left.size() == 1 && left.begin()->second == "none") continue;
    EXPECT_EQ(left, translations(theirs[i])) << questions[i] << "\n" << ours[i] << theirs[i];
    compared += left.size();
  }
  fmt::print("{} addresses translated\n", compared);
  EXPECT_GE(compared, 60u);
}

INSTANTIATE_TEST_SUITE_P(Cores, MemoryOracle, testing::ValuesIn(cores()));

}  // namespace
}  // namespace rig::oracle
