// SPDX-License-Identifier: Apache-2.0
// The production crashes, all of them from one command: each cell ends as its scenario expects, and
// no case's core passes for another's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <set>

#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

std::string text_of(const boost::json::value& object, const char* key) {
  return std::string(object.at(key).as_string());
}

TEST(Cases, EveryShippedCellEndsAsExpectedAndNoCoreMatchesAnotherCase) {
  const fs::path folder = fs::path(RIG_ROOT) / "scenarios";
  Bench bench;
  const auto done =
      bench.crashrig({"run", folder.string(), "--repeat", "1", "-j", "2", "--keep-core", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const auto document = done.json();

  std::set<std::string> scenarios;
  std::multimap<std::string, std::string> cores;  // by scenario
  for (const auto& cell : document.at("cells").as_array()) {
    const std::string scenario = text_of(cell, "scenario");
    scenarios.insert(scenario);
    EXPECT_EQ(cell.at("verdict"), "pass") << boost::json::serialize(cell);
    for (const auto& attempt : cell.at("attempts").as_array()) {
      const auto* core = attempt.as_object().if_contains("core");
      if (core != nullptr && core->is_string()) {
        cores.emplace(scenario, std::string(core->as_string()));
      }
    }
  }
  for (const auto& file : fs::directory_iterator(folder)) {
    EXPECT_TRUE(scenarios.contains(file.path().stem().string())) << file.path();
  }

  for (const auto& [own, core] : cores) {
    for (const std::string& other : scenarios) {
      if (other == own) continue;
      const auto match =
          bench.crashrig({"signature", core, "--match", (folder / (other + ".yaml")).string()});
      EXPECT_EQ(match.exit_code, 1) << own << " " << core << " against " << other << "\n"
                                    << match.out << match.err;
    }
  }
}

}  // namespace
}  // namespace rig::e2e
