// SPDX-License-Identifier: Apache-2.0
// A patched driver of the kernel's own source, on a controller that QEMU has: the source is
// fetched, hence label `slow`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

class RealDriver : public testing::TestWithParam<const char*> {
 protected:
  // How the attempts of the variant ended, without a detector.
  std::multiset<std::string> outcomes(const std::string& variant) {
    const auto done =
        bench_.crashrig({"run", "megaraid-late-completion", "--arch", GetParam(), "--detector",
                         "none", "--variant", variant, "--repeat", "2", "-j", "1", "--json"});
    const auto document = done.json();
    std::multiset<std::string> all;
    for (const auto& attempt : cell_of(document, variant).at("attempts").as_array()) {
      all.insert(text_of(attempt.at("outcome")));
      told_ += boost::json::serialize(attempt) + "\n";
    }
    return all;
  }

  Bench bench_;
  std::string told_;
};
INSTANTIATE_TEST_SUITE_P(Megaraid, RealDriver, testing::Values("x86_64", "arm64"),
                         [](const auto& test) { return test.param; });

// Who gets the freed memory is up to the kernel: one of two attempts is enough.
TEST_P(RealDriver, TheUpdatesLateWriteIsProvenFromTheCore) {
  EXPECT_GE(outcomes("faulty").count("expected-crash"), 1u) << told_;
}

// The guest of a busy machine may not boot in time, but none may crash.
TEST_P(RealDriver, TheDriverAsItIsServesTheSameLoad) {
  const auto ended = outcomes("fixed");
  EXPECT_GE(ended.count("survived"), 1u) << told_;
  EXPECT_EQ(ended.count("survived") + ended.count("rig-error"), 2u) << told_;
}

}  // namespace
}  // namespace rig::e2e
