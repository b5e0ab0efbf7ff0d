// SPDX-License-Identifier: Apache-2.0
// A core's signature: it matches its own core, no other, and as a scenario's `expect:` it brings
// the same crash back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;

class Signature : public testing::TestWithParam<std::string> {
 protected:
  // The core of one attempt of that variant.
  std::string core_of(const fs::path& scenario, const std::string& variant) {
    const auto ended =
        bench_.crashrig({"run", scenario.string(), "--arch", GetParam(), "--detector", "none",
                         "--variant", variant, "--repeat", "1", "--keep-core", "--json"});
    EXPECT_THAT(ended.exit_code, testing::AnyOf(0, 1)) << ended.err;
    return std::string(attempt_of(ended.json(), variant).at("core").as_string());
  }
  // What `crashrig signature` writes for the core, as a file.
  fs::path signature_of(const std::string& core, const std::string& name) {
    const auto ended = bench_.crashrig({"signature", core});
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    const fs::path path = bench_.folder() / (name + ".yaml");
    EXPECT_TRUE(write_file_atomically(path, ended.out));
    return path;
  }
  int match(const std::string& core, const fs::path& signature) {
    const auto ended = bench_.crashrig({"signature", core, "--match", signature.string()});
    output_ = ended.out + ended.err;
    return ended.exit_code;
  }

  Bench bench_;
  std::string output_;
};
INSTANTIATE_TEST_SUITE_P(OnEveryArch, Signature, testing::Values("x86_64", "arm64"),
                         [](const auto& test) { return test.param; });

TEST_P(Signature, MatchesItsOwnCoreAndNoOther) {
  const fs::path truth = fs::path(RIG_ROOT) / "tests/e2e/scenarios/truth.yaml";
  const std::vector<std::string> cores = {core_of(bench_.scenario({}), "faulty"),
                                          core_of(truth, "softirq_bug"), core_of(truth, "nested")};
  for (std::size_t own = 0; own < cores.size(); ++own) {
    const fs::path signature = signature_of(cores[own], "core" + std::to_string(own));
    for (std::size_t other = 0; other < cores.size(); ++other) {
      EXPECT_EQ(match(cores[other], signature), own == other ? 0 : 1)
          << "signature " << own << ", core " << other << "\n"
          << output_;
    }
  }
  // The scenario's own expectation is one, too.
  const fs::path scenario = fs::path(RIG_ROOT) / "scenarios/late-completion.yaml";
  EXPECT_EQ(match(cores[0], scenario), 0) << output_;
  EXPECT_EQ(match(cores[1], scenario), 1) << output_;
  EXPECT_THAT(output_, HasSubstr("does not match"));
}

TEST_P(Signature, BringsTheCrashBackAsAScenariosExpectation) {
  const std::string core = core_of(bench_.scenario({}), "faulty");
  const auto written = read_file(signature_of(core, "late")).value_or("");
  const std::string expect = "expect:\n";
  ASSERT_TRUE(written.starts_with(expect)) << written;
  const auto text = read_file(bench_.scenario({})).value_or("");
  const auto begin = text.find(expect);
  ASSERT_NE(begin, std::string::npos);
  // Only the detector that the core came from.
  auto head = text.substr(0, begin);
  const auto detectors = head.find("detectors:\n");
  const auto variants = head.find("variants:\n");
  ASSERT_LT(detectors, variants);
  head.replace(detectors, variants - detectors, "detectors:\n  none: {}\n");
  const fs::path scenario = bench_.folder() / "from-a-core.yaml";
  ASSERT_TRUE(write_file_atomically(scenario, head + written));
  const auto ended = bench_.crashrig({"run", scenario.string(), "--arch", GetParam(), "--variant",
                                      "faulty", "--repeat", "1", "--json"});
  EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err << written;
}

TEST(SignatureOfNothing, IsRefusedWithAdvice) {
  Bench bench;
  const auto ended = bench.crashrig({"signature", (bench.folder() / "none").string()});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("crashrig: "));
}

}  // namespace
}  // namespace rig::e2e
