// SPDX-License-Identifier: Apache-2.0
// A warning about the context it came from, made a core in two ways.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;

class WithDetector : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(KprobeNmiAlloc, WithDetector, testing::Values("none", "stop"),
                         [](const auto& test) { return test.param; });

// The core of an attempt that ended as it should. Who else reads the page cache may come first, and
// a slow host's clock may not fit the guest's: then there is a second attempt.
std::string expected_core(Bench& bench, const std::string& detector) {
  for (int tries = 0; tries < 2; ++tries) {
    const auto ended =
        bench.crashrig({"run", "kprobe-nmi-alloc", "--detector", detector, "--variant", "faulty",
                        "--repeat", "1", "--keep-core", "--json"});
    const auto document = ended.json();
    const auto& attempt = attempt_of(document, "faulty");
    if (text_of(attempt.at("outcome")) == "expected-crash") return text_of(attempt.at("core"));
    std::cerr << ended.out << ended.err;
  }
  return {};
}

TEST_P(WithDetector, TheCoreTellsTheNmiWhoCalledFromItAndWhatItInterrupted) {
  Bench bench;
  const std::string core = expected_core(bench, GetParam());
  ASSERT_NE(core, "");
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
