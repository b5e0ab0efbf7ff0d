// SPDX-License-Identifier: Apache-2.0
// Real logs of syzkaller's test data, where they are at hand: $CRASHRIG_CORPUS, or shared/corpus
// beside the repository. The shares asserted here may only rise.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "base/text.h"
#include "oops/report.h"

namespace rig::oops {
namespace {

constexpr double kTitlesFloor = 80.0;    // percent of the logs with a TITLE
constexpr double kPanickedFloor = 99.0;  // percent of the reports found

struct Sample {
  std::string name;
  std::string title;  // empty: nothing may be reported
  bool panicked = false;
  std::string log;
};

fs::path corpus() {
  if (const char* chosen = std::getenv("CRASHRIG_CORPUS")) return chosen;
  return fs::path(RIG_TEST_DATA) / "../../../shared/corpus/syzkaller-linux";
}

// Header lines up to the first blank line, then the log, then perhaps "REPORT:" and the extract.
Sample parse_sample(std::string name, std::string_view text) {
  Sample sample;
  sample.name = std::move(name);
  const std::size_t blank = text.starts_with('\n') ? 0 : text.find("\n\n");
  for (const std::string& line : split(text.substr(0, blank), '\n')) {
    if (line.starts_with("TITLE: ")) sample.title = line.substr(7);
    if (line == "PANICKED: Y") sample.panicked = true;
  }
  if (blank == std::string_view::npos) return sample;
  text.remove_prefix(blank);
  sample.log = text.substr(0, text.find("\nREPORT:\n"));
  return sample;
}

class Corpus : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::is_directory(corpus())) {
      GTEST_SKIP() << "no corpus at " << corpus().lexically_normal().string()
                   << "; set CRASHRIG_CORPUS to the folder syzkaller-linux";
    }
    for (const auto& entry : fs::directory_iterator(corpus())) {
      const std::string name = entry.path().filename().string();
      if (!std::isdigit(static_cast<unsigned char>(name.front()))) continue;
      const auto text = read_file(entry.path());
      ASSERT_TRUE(text) << text.error().message();
      samples_.push_back(parse_sample(name, *text));
    }
    std::sort(samples_.begin(), samples_.end(),
              [](const Sample& a, const Sample& b) { return a.name < b.name; });
    ASSERT_GT(samples_.size(), 100u);
  }

  std::vector<Sample> samples_;
};

TEST_F(Corpus, LogsWithoutACrashAreSilent) {
  for (const Sample& sample : samples_) {
    if (!sample.title.empty()) continue;
    const auto reports = parse_reports(sample.log);
    EXPECT_TRUE(reports.empty()) << sample.name << ": " << reports.front().title;
  }
}

TEST_F(Corpus, TitlesMatchAtLeastAsOftenAsBefore) {
  std::size_t titled = 0, equal = 0, found = 0, same_panic = 0;
  const bool verbose = std::getenv("CRASHRIG_CORPUS_VERBOSE") != nullptr;
  for (const Sample& sample : samples_) {
    if (sample.title.empty()) continue;
    ++titled;
    const auto reports = parse_reports(sample.log);
    const std::string title = reports.empty() ? "" : reports.front().title;
    if (!reports.empty()) ++found;
    if (!reports.empty() && reports.front().panicked == sample.panicked) ++same_panic;
    if (title == sample.title) {
      ++equal;
    } else if (verbose) {
      fmt::print("{}: want {} | got {}\n", sample.name, sample.title, title);
    }
  }
  const auto percent = [](std::size_t part, std::size_t whole) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  };
  fmt::print("titles {} of {} = {:.1f} %, panicked {} of {} = {:.1f} %\n", equal, titled,
             percent(equal, titled), same_panic, found, percent(same_panic, found));
  EXPECT_GE(percent(equal, titled), kTitlesFloor);
  EXPECT_GE(percent(same_panic, found), kPanickedFloor);
}

}  // namespace
}  // namespace rig::oops
