// SPDX-License-Identifier: Apache-2.0
// What the scenario format says of other rooms' names is what those rooms know.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "analyzer/heap_facts.h"
#include "base/file.h"
#include "oops/reporting_functions.h"
#include "scenario/format.h"
#include "scenario/guest.h"

namespace rig {
namespace {

using testing::HasSubstr;

std::string as_code(std::string_view name) {
  return fmt::format("`{}`", name);
}

// Each of `names` stands in the text, and nothing else does.
void expect_exactly(std::string_view text, const std::vector<std::string>& names) {
  for (const std::string& name : names) EXPECT_THAT(std::string(text), HasSubstr(as_code(name)));
  EXPECT_EQ(std::count(text.begin(), text.end(), '`'), 2 * static_cast<long>(names.size()));
}

TEST(FormatNames, CorruptionKindsAreTheAnalyzers) {
  expect_exactly(scenario::format::kCorruption.find("kind")->type, analyzer::corruption_kinds());
}

TEST(FormatNames, DiskBusesAreTheGuests) {
  std::vector<std::string> buses;
  for (const scenario::NamedDiskBus& each : scenario::kDiskBuses) buses.emplace_back(each.name);
  expect_exactly(scenario::format::kDisk.find("bus")->type, buses);
}

TEST(FormatNames, TheManualTellsEveryNameOfStopAt) {
  const auto manual =
      read_file(fs::path(RIG_TEST_DATA).parent_path().parent_path() / "docs/SCENARIOS.md");
  ASSERT_TRUE(manual) << manual.error().message();
  for (const std::string& name : oops::stop_names()) EXPECT_THAT(*manual, HasSubstr(as_code(name)));
}

}  // namespace
}  // namespace rig
