// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/file_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"

namespace rig::guest {
namespace {

class FileRangesTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kBig = 9 << 20;  // more than one window

  FileRangesTest() : folder_(std::move(*TempDir::create("file-ranges-test"))), file_(kBig, '\0') {
    for (const std::uint64_t at :
         std::vector<std::uint64_t>{0, 5000, 4096 * 1023, 4096 * 1024, kBig - 1}) {
      file_[at] = 'x';
    }
    file_.replace(1 << 20, 200'000, 200'000, 'y');
    EXPECT_TRUE(write_file_atomically(path(), file_));
  }
  std::string path() const { return (folder_.path() / "file").string(); }

  // All extents, put back over zeros; what was not asked for stays '?'.
  std::string read(const std::vector<std::uint64_t>& ranges) {
    std::string result(kBig, '?');
    for (std::size_t i = 0; i + 1 < ranges.size(); i += 2) {
      std::fill_n(result.begin() + static_cast<std::ptrdiff_t>(ranges[i]), ranges[i + 1], '\0');
    }
    Done error;
    OutgoingRanges reader(7, {.path = path(), .ranges = ranges}, error);
    EXPECT_EQ(error.error, 0u) << error.what;
    std::uint64_t last = 0;
    for (int steps = 0; steps < 1000 && !reader.finished(); ++steps) {
      FileExtent extent;
      EXPECT_EQ(reader.read_extent(extent).error, 0u);
      EXPECT_LE(extent.bytes.size(), kMaxChunk);
      if (extent.bytes.empty()) continue;
      EXPECT_GE(extent.offset, last);
      last = extent.offset + extent.bytes.size();
      sent_ += extent.bytes.size();
      result.replace(extent.offset, extent.bytes.size(), extent.bytes);
    }
    EXPECT_TRUE(reader.finished());
    return result;
  }
  Done refusal(std::vector<std::uint64_t> ranges, std::string file) {
    Done error;
    const OutgoingRanges reader(7, {.path = std::move(file), .ranges = std::move(ranges)}, error);
    return error;
  }

  TempDir folder_;
  std::string file_;
  std::uint64_t sent_ = 0;
};

TEST_F(FileRangesTest, TheWholeFileComesWithoutItsZeros) {
  EXPECT_TRUE(read({0, kBig}) == file_);
  EXPECT_LT(sent_, 300'000u);
}

TEST_F(FileRangesTest, OnlyWhatWasAskedForComes) {
  const std::string got = read({4990, 20, 1 << 20, 4096, kBig - 1, 1});
  std::string wanted(kBig, '?');
  for (const auto& [at, size] :
       std::map<std::size_t, std::size_t>{{4990, 20}, {1 << 20, 4096}, {kBig - 1, 1}}) {
    wanted.replace(at, size, file_.substr(at, size));
  }
  EXPECT_TRUE(got == wanted);
}

TEST_F(FileRangesTest, NothingAskedForIsFinishedAtOnce) {
  EXPECT_TRUE(read({}) == std::string(kBig, '?'));
  EXPECT_TRUE(read({100, 0}) == std::string(kBig, '?'));
}

TEST_F(FileRangesTest, WhatLiesBeyondTheEndIsRefused) {
  EXPECT_EQ(refusal({kBig - 1, 2}, path()).error, std::uint64_t{ERANGE});
  EXPECT_EQ(refusal({~0ull, 2}, path()).error, std::uint64_t{ERANGE});
  EXPECT_EQ(refusal({0, 1}, path() + "x").error, std::uint64_t{ENOENT});
}

}  // namespace
}  // namespace rig::guest
