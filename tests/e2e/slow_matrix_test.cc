// SPDX-License-Identifier: Apache-2.0
// One command over two architectures, Debian's newest and oldest kernel and our own with KASAN, and
// every detector: each cell ends as the scenario expects.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

TEST(Matrix, LateCompletionEndsAsExpectedOnEveryKernelWithEveryDetector) {
  Bench bench;
  const auto done = bench.crashrig({"run", "late-completion", "--kernel",
                                    "debian-6.1@newest,debian-6.1@oldest,debian-6.1-kasan",
                                    "--detector", "none,slub,warn", "-j", "2", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const auto document = done.json();
  std::set<std::string> points;
  for (const auto& cell : document.at("cells").as_array()) {
    std::string name;
    for (const char* key : {"arch", "kernel", "detector", "variant"}) {
      name += std::string(cell.at(key).as_string()) + " ";
    }
    points.insert(name);
    EXPECT_EQ(cell.at("verdict"), "pass") << name << boost::json::serialize(cell.at("attempts"));
  }
  EXPECT_EQ(points.size(), 2u * 3u * 3u * 2u);
}

}  // namespace
}  // namespace rig::e2e
