// SPDX-License-Identifier: Apache-2.0
// Production crashes whose cells are too many for the quick suite: of each, on each architecture,
// the fault is caught, its core passes for no other case's, and the fix is sound.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

struct Case {
  std::string scenario;
  std::string faulty;  // the variant that is hardest to catch
};
void PrintTo(const Case& each, std::ostream* out) {
  *out << each.scenario << " " << each.faulty;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"toa-double-free", "half-fix"}, {"freelist-gpf", "faulty"}, {"ext4-double-free", "faulty"}};
  return all;
}

class ProductionCrash : public testing::TestWithParam<std::tuple<Case, std::string>> {
 protected:
  // The attempt of one cell. On a busy host a guest may not even boot in time, and of twenty double
  // frees one may leave too little: then there is a second attempt. A kernel that died in spite of
  // the fix gets none.
  boost::json::object attempt(const std::string& variant, const std::string& outcome) {
    const auto& [own, arch] = GetParam();
    for (bool again = true;; again = false) {
      const auto ended =
          bench_.crashrig({"run", own.scenario, "--arch", arch, "--detector", "none", "--variant",
                           variant, "--repeat", "1", "-j", "1", "--keep-core", "--json"});
      const auto document = ended.json();
      const auto made = attempt_of(document, variant);
      const std::string found = text_of(made.at("outcome"));
      const bool no_fix = outcome == "survived" && found == "other-crash";
      if (found == outcome || !again || no_fix) return made;
    }
  }

  // The exit code of a core held against a scenario's expectation.
  int match(const std::string& core, const std::string& scenario) {
    const fs::path file = fs::path(RIG_ROOT) / "scenarios" / (scenario + ".yaml");
    const auto ended =
        bench_.crashrig({"signature", core, "--match", file.string(), "--detector", "none"});
    output_ = ended.out + ended.err;
    return ended.exit_code;
  }

  Bench bench_;
  std::string output_;
};
INSTANTIATE_TEST_SUITE_P(OnEveryArch, ProductionCrash,
                         testing::Combine(testing::ValuesIn(cases()),
                                          testing::Values("x86_64", "arm64")),
                         [](const auto& test) {
                           std::string name =
                               std::get<0>(test.param).scenario + "_on_" + std::get<1>(test.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(ProductionCrash, IsCaughtAndToldFromTheOthersByItsCore) {
  const Case& own = std::get<0>(GetParam());
  const auto made = attempt(own.faulty, "expected-crash");
  ASSERT_EQ(text_of(made.at("outcome")), "expected-crash") << boost::json::serialize(made);
  const std::string core = text_of(made.at("core"));
  for (const Case& other : cases()) {
    EXPECT_EQ(match(core, other.scenario), other.scenario == own.scenario ? 0 : 1)
        << other.scenario << "\n"
        << output_;
  }
}

TEST_P(ProductionCrash, IsGoneWithTheFix) {
  const auto made = attempt("fixed", "survived");
  EXPECT_EQ(text_of(made.at("outcome")), "survived") << boost::json::serialize(made);
}

}  // namespace
}  // namespace rig::e2e
