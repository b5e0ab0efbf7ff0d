// SPDX-License-Identifier: Apache-2.0
// Every YAML file of tests/data/bad-scenarios (bad-kernels) must be refused with exactly the words
// of the .txt beside it. RIG_UPDATE=1 writes the .txt files anew: read the difference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "scenario/kernel_spec.h"
#include "scenario/scenario.h"

namespace rig::scenario {
namespace {

const fs::path kData = RIG_TEST_DATA;

std::vector<fs::path> files_of(const char* folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kData / folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string case_name(const testing::TestParamInfo<fs::path>& info) {
  std::string name = info.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// The message as it would read on any machine.
std::string portable(std::string message, const fs::path& file) {
  replace_all(message, file.parent_path().string() + "/", "");
  replace_all(message, (kData / "scenario-root").string() + "/", "");
  return message + "\n";
}

void expect_message(const fs::path& file, const Error& error) {
  EXPECT_EQ(error.blame, Blame::kInput);
  const std::string found = portable(error.message(), file);
  fs::path expectation = file;
  expectation.replace_extension(".txt");
  if (std::getenv("RIG_UPDATE") != nullptr) {
    ASSERT_TRUE(write_file_atomically(expectation, found));
    return;
  }
  const auto expected = read_file(expectation);
  ASSERT_TRUE(expected) << "no " << expectation << "; run with RIG_UPDATE=1, then read it";
  EXPECT_EQ(found, *expected);
  for (const std::string& line : split(trim(found), '\n')) {
    EXPECT_TRUE(line.starts_with(file.filename().string() + ":")) << "no place in: " << line;
  }
}

class BadScenario : public testing::TestWithParam<fs::path> {};

TEST_P(BadScenario, IsRefusedWithPlaceAndAdvice) {
  const LoadOptions options{.root = kData / "scenario-root",
                            .programs = kData / "scenario-root/programs",
                            .report_kinds = {"null-deref", "gpf", "kasan-use-after-free"},
                            .stop_names = {"report", "slub", "slab_bug", "object_err"},
                            .any_function = "fn:",
                            .corruption_kinds = {"poison-overwritten", "freed-twice"}};
  const auto scenario = load_scenario(GetParam(), options);
  ASSERT_FALSE(scenario) << "was accepted";
  expect_message(GetParam(), scenario.error());
}

INSTANTIATE_TEST_SUITE_P(Files, BadScenario, testing::ValuesIn(files_of("bad-scenarios")),
                         case_name);

class BadKernel : public testing::TestWithParam<fs::path> {};

TEST_P(BadKernel, IsRefusedWithPlaceAndAdvice) {
  const auto kernel = load_kernel_spec(GetParam().string(), kData / "scenario-root/kernels");
  ASSERT_FALSE(kernel) << "was accepted";
  expect_message(GetParam(), kernel.error());
}

INSTANTIATE_TEST_SUITE_P(Files, BadKernel, testing::ValuesIn(files_of("bad-kernels")), case_name);

TEST(BadScenarios, CoverTheSchema) {
  EXPECT_GE(files_of("bad-scenarios").size(), 40u);
}

}  // namespace
}  // namespace rig::scenario
