// SPDX-License-Identifier: Apache-2.0
// Symbols both ways: ours from the kallsyms in the core, crash's from vmlinux and the modules.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <span>

#include "base/text.h"
#include "oracle/sides.h"

namespace rig::oracle {
namespace {

struct KnownSymbols {
  const char* names;  // separated by spaces; "x*" stands for all that begin with x
  const char* reason;
};
// Symbols of vmlinux that no kernel has in its kallsyms.
const KnownSymbols kNotInKallsyms[] = {
    {"__kstrtab* __crc_* .LC*", "scripts/kallsyms.c leaves them out"},
    {"kallsyms_*", "the tables themselves: they are not known when they are made"},
    {"init_per_cpu__*", "scripts/kallsyms.c leaves out what the linker script makes of them"},
    {".* __ksymtab __ksymtab_gpl __ksymtab_strings __kcrctab __kcrctab_gpl __param __modver "
     "__ex_table __bug_table",
     "names of sections, which crash takes for symbols"},
};
// Symbols that we have and crash has not.
const KnownSymbols kNotInCrash[] = {
    {"truth_static_counter", "the static per-CPU variables of modules, here of the guest's own"},
};
constexpr std::size_t kOffsets = 2000;  // addresses inside functions
constexpr std::size_t kAtOnce = 40;     // addresses in one question

using Symbols = std::set<std::pair<std::uint64_t, std::string>>;

// crash 8.0.2 cuts a name at what gcc appended when it split or specialised a function.
std::string as_crash_names_it(std::string name) {
  for (const char* suffix : {".part.", ".isra."}) name = name.substr(0, name.find(suffix));
  return name;
}

// "ffffffff81a01cb0 (T) panic [module]"
Symbols symbols(const std::string& text) {
  Symbols found;
  for (const std::string& line : lines(text)) {
    const auto parts = words(line);
    const auto address = hex(parts[0]);
    if (!address || parts.size() < 3 || parts[1].size() != 3) continue;  // "MODULE START: x"
    found.emplace(*address, as_crash_names_it(parts[2]));
  }
  return found;
}

bool is_among(std::span<const KnownSymbols> all, const std::string& name) {
  for (const KnownSymbols& known : all) {
    for (const std::string& each : words(known.names)) {
      if (each.ends_with('*') ? name.starts_with(each.substr(0, each.size() - 1)) : name == each) {
        return true;
      }
    }
  }
  return false;
}

std::vector<std::string> missing(const Symbols& from, const Symbols& in,
                                 std::span<const KnownSymbols> explained) {
  std::vector<std::string> found;
  for (const auto& [address, name] : from) {
    if (!in.contains({address, name}) && !is_among(explained, name)) {
      found.push_back(fmt::format("{} at {:x}", name, address));
    }
  }
  return found;
}

class SymbolsOracle : public testing::TestWithParam<std::string> {};

TEST_P(SymbolsOracle, EverySymbolOfOneSideIsAtTheSameAddressInTheOther) {
  const Symbols theirs = symbols(ask_crash(GetParam(), {"sym -l"})[0]);
  const Symbols ours = symbols(ask_crashrig(GetParam(), {"sym -l"})[0]);
  const auto not_ours = missing(theirs, ours, kNotInKallsyms);
  const auto not_theirs = missing(ours, theirs, kNotInCrash);
  EXPECT_TRUE(not_ours.empty()) << not_ours.size() << " that only crash has, among them "
                                << fmt::format("{}", fmt::join(spread(not_ours, 20), ", "));
  EXPECT_TRUE(not_theirs.empty()) << not_theirs.size() << " that only we have, among them "
                                  << fmt::format("{}", fmt::join(spread(not_theirs, 20), ", "));
  fmt::print("{} symbols of ours, {} of crash's\n", ours.size(), theirs.size());
  EXPECT_GT(ours.size(), 50000u);
}

// "ffffffff81a01e27 (T) panic+375 debian/.../panic.c: 208" -> ffffffff81a01cb0, "panic"
std::vector<std::pair<std::uint64_t, std::string>> starts(const Answers& answers) {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  for (const std::string& answer : answers) {
    for (const std::string& line : lines(answer)) {
      const auto parts = words(line);
      if (parts.size() < 3 || !hex(parts[0])) continue;
      const auto plus = parts[2].find('+');
      const auto offset = plus == std::string::npos ? 0 : parse_u64(parts[2].substr(plus + 1));
      found.emplace_back(*hex(parts[0]) - offset.value_or(0),
                         as_crash_names_it(parts[2].substr(0, plus)));
    }
  }
  return found;
}

TEST_P(SymbolsOracle, AddressesInsideFunctionsGetTheSameNameAndOffset) {
  const std::string table = ask_crashrig(GetParam(), {"sym -l"})[0];
  const Symbols known = symbols(table);
  std::vector<std::uint64_t> functions;
  for (const std::string& line : lines(table)) {
    const auto parts = words(line);
    if (parts.size() < 3 || (parts[1] != "(t)" && parts[1] != "(T)") || !hex(parts[0])) continue;
    functions.push_back(*hex(parts[0]));
  }
  std::vector<std::string> questions;
  const auto some = spread(functions, kOffsets);
  for (std::size_t i = 0; i < some.size(); ++i) {
    if (i % kAtOnce == 0) questions.push_back("sym");
    questions.back() += fmt::format(" {:x}", some[i] + i % 64);
  }
  const auto ours = starts(ask_crashrig(GetParam(), questions));
  const auto theirs = starts(ask_crash(GetParam(), questions));
  ASSERT_EQ(ours.size(), theirs.size());
  std::size_t aliases = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i].first, theirs[i].first) << ours[i].second << " and " << theirs[i].second;
    // Of several names for one address each side takes another; they must be names of that address.
    EXPECT_TRUE(known.contains(theirs[i])) << theirs[i].second;
    if (ours[i].second != theirs[i].second) ++aliases;
  }
  fmt::print("{} addresses, {} with another name of the same symbol\n", ours.size(), aliases);
  EXPECT_GE(ours.size(), kOffsets * 9 / 10);
  EXPECT_LT(aliases, ours.size() / 50);
}

INSTANTIATE_TEST_SUITE_P(Cores, SymbolsOracle, testing::ValuesIn(cores()));

}  // namespace
}  // namespace rig::oracle
