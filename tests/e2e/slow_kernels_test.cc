// SPDX-License-Identifier: Apache-2.0
// Kernels that are built from source, with the real sources: label `slow`. Everything here, and
// every other slow test, uses what the cache has of them: the first run on a machine builds them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/deadline.h"
#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;

constexpr const char* kScenario = R"(
name: kasan-boot
summary: a kernel that was built here boots, loads a module built against it, and runs a load
arch: [x86_64, arm64]
kernel: debian-6.1-kasan
guest: {memory: 512M, cpus: 2, drivers: [sd_mod]}
variants:
  fixed: {module: guest/modules/late_completion, params: {late_write: 0}, expect: survive}
stress: {program: guest/stress/io_and_net, seconds: 3}
)";

class BuiltKernel : public testing::TestWithParam<const char*> {
 protected:
  // The kernel as `crashrig kernels build` describes it.
  boost::json::object built(const std::string& name) {
    const auto done = bench_.crashrig({"kernels", "build", name, "--arch", GetParam(), "--json"});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    if (done.exit_code != 0) return {};
    return done.json().at("kernels").at(0).as_object();
  }

  Bench bench_;
};

TEST_P(BuiltKernel, KasanKernelIsBuiltOnceAndFoundAgainWithinASecond) {
  const auto first = built("debian-6.1-kasan");
  ASSERT_FALSE(first.empty());
  EXPECT_THAT(std::string(first.at("release").as_string()), HasSubstr("-guest-kasan"));
  EXPECT_TRUE(fs::exists(std::string(first.at("boot_file").as_string())));
  EXPECT_TRUE(fs::exists(std::string(first.at("debuginfo").as_string())));
  const Stopwatch watch;
  const auto second = built("debian-6.1-kasan");
  EXPECT_LE(watch.seconds(), 1.0);
  EXPECT_EQ(first.at("boot_file"), second.at("boot_file"));
}

TEST_P(BuiltKernel, KasanKernelBootsAndRunsAModuleOfOurs) {
  ASSERT_FALSE(built("debian-6.1-kasan").empty());
  const fs::path scenario = bench_.folder() / "kasan-boot.yaml";
  ASSERT_TRUE(write_file_atomically(scenario, kScenario));
  const auto done = bench_.crashrig({"run", scenario.string(), "--arch", GetParam(), "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  EXPECT_EQ(attempt_of(done.json(), "fixed").at("outcome"), "survived");
}

// Debian's kernels know none of KASAN's.
TEST_P(BuiltKernel, KasansParametersTakeEffect) {
  const fs::path file = bench_.folder() / "kasan.yaml";
  ASSERT_TRUE(write_file_atomically(
      file, fmt::format("name: kasan\nsummary: a guest that lives\narch: [{}]\n"
                        "kernel: debian-6.1-kasan\ncmdline: [kasan.fault=panic, kasan_multi_shot, "
                        "oops=panic, panic_on_warn=1, slab_nomerge, init_on_free=1, "
                        "slub_debug=FZPU]\nvariants: {{lives: {{expect: survive}}}}\n"
                        "stress: {{program: guest/stress/io_and_net, args: [--net-only], "
                        "seconds: 1}}\n",
                        GetParam())));
  const auto done = bench_.crashrig({"run", file.string(), "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  const auto document = done.json();
  const auto& parameters = cell_of(document, "lives").at("parameters").as_array();
  EXPECT_EQ(parameters.size(), 7u);
  for (const auto& each : parameters) {
    EXPECT_EQ(each.at("state"), "effective") << boost::json::serialize(each);
  }
}

INSTANTIATE_TEST_SUITE_P(Archs, BuiltKernel, testing::Values("x86_64", "arm64"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace rig::e2e
