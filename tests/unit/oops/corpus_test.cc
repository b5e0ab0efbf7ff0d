// SPDX-License-Identifier: Apache-2.0
// Real logs of syzkaller's test data in RIG_CORPUS; this file is compiled only where they are at
// hand. The shares asserted here may only rise. CRASHRIG_CORPUS_VERBOSE=1 prints each miss.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "oops/report.h"

namespace rig::oops {
namespace {

struct Sample {
  std::string name;
  std::string title;  // empty: nothing may be reported
  std::string type;
  std::string frame;
  std::set<std::string> alt;
  bool panicked = false;
  bool corrupted = false;
  bool suppressed = false;
  std::string log;
  std::string extract;  // the report as it must be cut out; empty: not given
};

// Header lines up to the first blank line, then the log, then perhaps "REPORT:" and the extract.
Sample parse_sample(std::string name, std::string_view text) {
  constexpr std::string_view kReport = "\nREPORT:\n";
  Sample sample;
  sample.name = std::move(name);
  const std::size_t blank = text.starts_with('\n') ? 0 : text.find("\n\n");
  for (const std::string& line : split(text.substr(0, blank), '\n')) {
    if (line.starts_with("TITLE: ")) sample.title = line.substr(7);
    if (line.starts_with("TYPE: ")) sample.type = line.substr(6);
    if (line.starts_with("FRAME: ")) sample.frame = line.substr(7);
    if (line.starts_with("ALT: ")) sample.alt.insert(line.substr(5));
    if (line == "PANICKED: Y") sample.panicked = true;
    if (line == "CORRUPTED: Y") sample.corrupted = true;
    if (line == "SUPPRESSED: Y") sample.suppressed = true;
  }
  if (blank == std::string_view::npos) return sample;
  text.remove_prefix(blank);
  const std::size_t extract = text.find(kReport);
  sample.log = text.substr(0, extract);
  if (extract != std::string_view::npos) sample.extract = text.substr(extract + kReport.size());
  return sample;
}

// How often something was right, and a line for each time that it was not.
class Score {
 public:
  Score(std::string name, double floor) : name_(std::move(name)), floor_(floor) {}
  ~Score() {
    fmt::print("{:<10} {:3} of {:3} = {:5.1f} %, floor {} %\n", name_, right_, all_, percent(),
               floor_);
    EXPECT_GE(percent(), floor_) << name_;
  }
  Score(const Score&) = delete;
  Score& operator=(const Score&) = delete;

  template <typename T>
  void count(const Sample& sample, const T& expected, const T& found) {
    ++all_;
    if (expected == found) {
      ++right_;
    } else if (std::getenv("CRASHRIG_CORPUS_VERBOSE") != nullptr) {
      fmt::print("{} {}: want {} | got {}\n", sample.name, name_, expected, found);
    }
  }

 private:
  double percent() const { return 100.0 * static_cast<double>(right_) / static_cast<double>(all_); }
  std::string name_;
  double floor_;
  std::size_t all_ = 0, right_ = 0;
};

class Corpus : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs::is_directory(RIG_CORPUS)) << RIG_CORPUS << ": where cmake found it";
    for (const auto& entry : fs::directory_iterator(RIG_CORPUS)) {
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
    ReportStream stream;
    stream.feed(sample.log);
    const auto reports = stream.finish();
    const Report* report = headline(reports);
    EXPECT_EQ(report, nullptr) << sample.name << ": " << report->title;
  }
}

std::vector<Report> everything(const Sample& sample) {
  ReportStream stream;
  stream.feed(sample.log);
  return stream.finish();
}

// Logs of one title. What was seen by other kernels, on other architectures or with a compiler's
// other idea of what to inline is one bug; what was reached on another way is another.
struct Pair {
  const char* one;
  const char* other;
  bool same;
};

TEST_F(Corpus, LogsOfOneBugAreGroupedAndOthersAreNot) {
  constexpr Pair kPairs[] = {
      {"131", "137", true},   // ipcomp_init_state()
      {"131", "135", true},   // ... where lines of the stack were lost
      {"223", "225", true},   // binder_release_work()
      {"345", "347", true},   // xfrm_state_fini()
      {"377", "469", true},   // dlfb_usb_probe(), two kernels
      {"415", "525", true},   // netdev_freemem()
      {"447", "1001", true},  // p9_fd_close(), mounted the old way and the new
      {"641", "643", true},   // simple_recursive_removal(), arm64 and 32-bit ARM
      {"269", "483", true},   // a loop found at two places
      {"441", "443", false},  // both wait for rtnl_lock()
      {"433", "437", false},  // both wait for RCU
      {"433", "445", false}, {"439", "507", false}, {"223", "377", false},
  };
  const auto report_of = [&](std::string_view name) {
    const auto sample = std::ranges::find(samples_, name, &Sample::name);
    EXPECT_NE(sample, samples_.end()) << name;
    const auto reports = everything(*sample);
    const Report* report = headline(reports);
    EXPECT_NE(report, nullptr) << name;
    return report == nullptr ? Report{} : *report;
  };
  for (const Pair& pair : kPairs) {
    const Report one = report_of(pair.one), other = report_of(pair.other);
    EXPECT_EQ(same_bug(one, other), pair.same) << one.title << "\n"
                                               << one.fingerprint << "\n"
                                               << other.fingerprint;
  }
}

std::string joined(const std::set<std::string>& titles) {
  return fmt::format("{}", fmt::join(titles, " + "));
}

TEST_F(Corpus, ReportsAreReadAtLeastAsOftenAsBefore) {
  Score titles("titles", 99), types("types", 99), alternatives("alt", 99), frames("frames", 99),
      corrupted("corrupted", 98), suppressed("suppressed", 99), panicked("panicked", 99);
  for (const Sample& sample : samples_) {
    if (sample.title.empty()) continue;
    const auto reports = everything(sample);
    const Report* first = headline(reports);
    const Report report = first == nullptr ? Report{} : *first;
    titles.count(sample, sample.title, report.title);
    types.count(sample, sample.type, report.type);
    alternatives.count(sample, joined(sample.alt), joined({report.alt.begin(), report.alt.end()}));
    if (!sample.frame.empty()) frames.count(sample, sample.frame, report.function);
    corrupted.count(sample, sample.corrupted, report.corrupted);
    suppressed.count(sample, sample.suppressed, report.suppressed);
    panicked.count(sample, sample.panicked, report.panicked);
  }
}

}  // namespace
}  // namespace rig::oops
