// SPDX-License-Identifier: Apache-2.0
// Texts about production crashes in RIG_SEEDS, with logs inside, as people paste them into web
// pages; this file is compiled only where they are at hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "oops/report.h"

namespace rig::oops {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The text whose file's name begins so.
std::optional<std::string> text_of(std::string_view prefix) {
  for (const auto& entry : fs::directory_iterator(RIG_SEEDS)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    if (auto text = read_file(entry.path())) return std::move(*text);
  }
  return std::nullopt;
}

// The reports of a text whose lines were not lost.
std::vector<std::string> titles_of(std::string_view prefix) {
  const auto text = text_of(prefix);
  EXPECT_TRUE(text) << "no text " << prefix << " in " << RIG_SEEDS;
  std::vector<std::string> titles;
  for (const Report& report : parse_reports(text.value_or(""))) titles.push_back(report.title);
  return titles;
}

// Pasted without line ends.
TEST(Seeds, ReportsOnOneLineAreTold) {
  EXPECT_THAT(titles_of("000"),
              ElementsAre("KASAN: slab-out-of-bounds Read in isolate_migratepages_range",
                          "KASAN: slab-out-of-bounds Read in balloon_page_isolate"));
}

}  // namespace
}  // namespace rig::oops
