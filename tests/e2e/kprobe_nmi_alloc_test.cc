// SPDX-License-Identifier: Apache-2.0
// A warning about the context it came from, made a core in two ways.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;

class WithDetector : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(KprobeNmiAlloc, WithDetector, testing::Values("none", "stop"),
                         [](const auto& test) { return test.param; });

TEST_P(WithDetector, TheCoreTellsTheNmiWhoCalledFromItAndWhatItInterrupted) {
  Bench bench;
  // Who else reads the page cache may come first, and a slow host's clock may not fit the guest's.
  const auto ended =
      bench.crashrig({"run", "kprobe-nmi-alloc", "--detector", GetParam(), "--variant", "faulty",
                      "--repeat", "2", "--keep-core", "--json"});
  const auto document = ended.json();
  const auto& attempts = cell_of(document, "faulty").at("attempts").as_array();
  const auto expected = std::ranges::find_if(
      attempts, [](const auto& each) { return each.at("outcome") == "expected-crash"; });
  ASSERT_NE(expected, attempts.end()) << ended.out << ended.err;
  const auto& faulty = expected->as_object();

  const std::string core(faulty.at("core").as_string());
  const auto analyzed = bench.crashrig({"analyze", "--json", core});
  ASSERT_EQ(analyzed.exit_code, 0) << analyzed.err;
  const auto findings = analyzed.json();
  EXPECT_EQ(findings.at("findings").at(0).at("kind").as_string(), "in-nmi-context");
  EXPECT_THAT(std::string(findings.at("explanation").as_string()),
              HasSubstr("called from kna_area_read [kprobe_nmi_alloc]; asm_exc_int3 interrupted "
                        "copy_page_to_iter"));
  // The probed instruction has been executed; its caller is found all the same.
  const auto& frames = findings.at("backtrace").as_array();
  const auto probed = std::ranges::find_if(
      frames, [](const auto& frame) { return frame.at("function") == "copy_page_to_iter"; });
  ASSERT_LT(probed - frames.begin() + 1, static_cast<std::ptrdiff_t>(frames.size()));
  EXPECT_TRUE((probed + 1)->at("reliable").as_bool());
}

}  // namespace
}  // namespace rig::e2e
