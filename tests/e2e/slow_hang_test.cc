// SPDX-License-Identifier: Apache-2.0
// All hangs and all boots that fail, each told apart and each with its core, on both architectures.
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <string>
#include <tuple>

#include "base/file.h"
#include "e2e/flood.h"
#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

// Two at once: most of the time is waiting for what does not come.
class HangSuites : public testing::TestWithParam<std::tuple<std::string, std::string>> {};
INSTANTIATE_TEST_SUITE_P(Suites, HangSuites,
                         testing::Combine(testing::Values("hangs", "hangs-watchdog",
                                                          "boot-failures"),
                                          testing::Values("x86_64", "arm64")),
                         [](const auto& test) {
                           std::string name =
                               std::get<0>(test.param) + "_" + std::get<1>(test.param);
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST_P(HangSuites, EveryCellIsAsExpected) {
  Bench bench;
  const auto& [suite, arch] = GetParam();
  const auto done =
      bench.crashrig({"run", suite, "--arch", arch, "--keep-core", "--json", "-j", "2"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const auto document = done.json();
  for (const auto& cell : document.at("cells").as_array()) {
    SCOPED_TRACE(text_of(cell.at("variant")));
    EXPECT_EQ(cell.at("verdict"), "pass") << boost::json::serialize(cell.at("attempts"));
    const auto& attempt = cell.at("attempts").at(0);
    EXPECT_EQ(attempt.at("core").is_null(), attempt.at("outcome") == "survived");
  }
}

// A serial port takes minutes for what a unit test of ConsoleLog takes at once: enough to be cut.
TEST(Flood, GuestThatPrintsWithoutEndNeitherFillsTheDiskNorIsAReport) {
  Bench bench;
  const auto done = bench.crashrig(
      {"run", write_flood(bench.folder(), "16000000").string(), "--arch", "x86_64", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const auto document = done.json();
  const auto& attempt = attempt_of(document, "some");
  EXPECT_EQ(attempt.at("outcome"), "survived");
  const auto console = read_file(text_of(attempt.at("console")));
  ASSERT_TRUE(console) << console.error().message();
  EXPECT_LT(console->size(), 13u << 20);
  EXPECT_NE(console->find("Linux version"), std::string::npos);
  EXPECT_NE(console->find("\nflood 1 ~"), std::string::npos);
  EXPECT_NE(console->find("of console output left out here]\n"), std::string::npos);
  EXPECT_NE(console->rfind("flood "), std::string::npos);
  EXPECT_GT(console->rfind("flood "), console->size() - 200);
}

}  // namespace
}  // namespace rig::e2e
