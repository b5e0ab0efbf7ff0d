// SPDX-License-Identifier: Apache-2.0
// stop_at on the real QEMU and the real kernels: the core of the stop holds what SLUB then repairs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::uint64_t kWritten = 0x6b6b6b6b00000106;  // four bytes of it by the driver
constexpr std::uint64_t kOwnerOffset = 0x2c8;
constexpr std::uint64_t kPoison = 0x6b6b6b6b6b6b6b6b;

// The beginnings of the ranges in the lines that contain `what`, e.g.
// "0xffff888007c9b6c8-0xffff888007c9b6cb @offset=14024. First byte 0x6 instead of 0x6b".
std::vector<std::string> ranges_of(const std::string& console, std::string_view what) {
  std::vector<std::string> found;
  for (const std::string& line : split(console, '\n')) {
    const auto dash = line.find("-0x");
    if (line.find(what) == std::string::npos || dash == std::string::npos) continue;
    const auto begin = line.rfind("0x", dash);
    if (begin != std::string::npos) found.push_back(line.substr(begin, dash - begin));
  }
  return found;
}

// Does one of the corruptions begin at this address?
bool is_damaged_at(const boost::json::array& corruptions, const std::string& address) {
  return std::ranges::any_of(corruptions, [&](const boost::json::value& each) {
    const auto object = parse_u64(text_of(each.at("object")));
    return object && *object + each.at("offset").to_number<std::uint64_t>() == parse_u64(address);
  });
}

std::string console(const boost::json::object& attempt) {
  return read_file(text_of(attempt.at("console"))).value_or("");
}

class StopAt : public testing::TestWithParam<std::string> {
 protected:
  // The attempt of the faulty variant under detector slub.
  boost::json::object run(const fs::path& scenario) {
    const auto ended =
        bench_.crashrig({"run", scenario.string(), "--arch", GetParam(), "--detector", "slub",
                         "--variant", "faulty", "--repeat", "1", "--keep-core", "--json"});
    output_ = ended.out + ended.err;
    return attempt_of(ended.json(), "faulty");
  }
  // The eight bytes in the attempt's core where each of these ranges begins.
  std::vector<std::uint64_t> words(const boost::json::object& attempt, std::string_view what) {
    std::vector<std::uint64_t> all;
    for (const std::string& address : ranges_of(console(attempt), what)) {
      const auto read =
          bench_.crashrig({"inspect", "--json", text_of(attempt.at("core")), "rd", address, "1"});
      EXPECT_EQ(read.exit_code, 0) << read.err;
      all.push_back(parse_u64(text_of(read.json().at("answer").at("words").at(0))).value_or(0));
    }
    return all;
  }

  // What the audit of the attempt's core finds.
  boost::json::array corruptions(const boost::json::object& attempt) {
    const auto ended = bench_.crashrig({"inspect", "--json", text_of(attempt.at("core")), "audit"});
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    if (ended.exit_code != 0) return {};
    return ended.json().at("answer").at("corruptions").as_array();
  }

  Bench bench_;
  std::string output_;
};
INSTANTIATE_TEST_SUITE_P(OnEveryArch, StopAt, testing::Values("x86_64", "arm64"),
                         [](const auto& test) { return test.param; });

TEST_P(StopAt, CoreHoldsTheBytesThatSlubComplainsAbout) {
  const auto attempt = run(bench_.scenario({}));
  ASSERT_EQ(text_of(attempt.at("outcome")), "expected-crash") << output_;
  EXPECT_EQ(text_of(attempt.at("stopped").at("function")), "slab_bug");
  EXPECT_EQ(text_of(attempt.at("report").at("kind")), "slub-poison-overwritten");
  const auto complained = words(attempt, "First byte");
  ASSERT_FALSE(complained.empty());
  EXPECT_EQ(complained[0], kWritten);

  const auto found = corruptions(attempt);
  EXPECT_TRUE(is_damaged_at(found, ranges_of(console(attempt), "First byte").at(0)));
  for (const auto& each : found) {  // the driver may have done it to several
    SCOPED_TRACE(boost::json::serialize(each));
    EXPECT_EQ(text_of(each.at("kind")), "poison-overwritten");
    EXPECT_EQ(text_of(each.at("cache")), "kmalloc-1k");
    EXPECT_EQ(each.at("offset").to_number<std::uint64_t>(), kOwnerOffset);
    EXPECT_EQ(text_of(each.at("found")), "06 01 00 00");
    EXPECT_EQ(text_of(each.at("expected")), "6b 6b 6b 6b");
    EXPECT_THAT(text_of(each.at("alloc").at("caller").at("function")), StartsWith("lc_"));
    EXPECT_THAT(text_of(each.at("free").at("caller").at("function")), StartsWith("lc_"));
  }

  const auto told = bench_.crashrig({"analyze", text_of(attempt.at("core"))});
  EXPECT_THAT(told.out, HasSubstr("stopped before the report"));
  EXPECT_THAT(told.out, HasSubstr("slab_bug"));
  // The report that the scenario asks for was printed later; the rest of its signature is here.
  const auto match = [&](const char* scenario) {
    const fs::path file = fs::path(RIG_ROOT) / "scenarios" / scenario;
    return bench_.crashrig(
        {"signature", text_of(attempt.at("core")), "--match", file.string(), "--detector", "slub"});
  };
  const auto own = match("late-completion.yaml");
  EXPECT_EQ(own.exit_code, 0) << own.out << own.err;
  EXPECT_THAT(own.out, HasSubstr("the core was taken at slab_bug"));
  EXPECT_EQ(match("freelist-gpf.yaml").exit_code, 1);
  EXPECT_THAT(bench_.leftover_processes(), IsEmpty());
  EXPECT_THAT(bench_.leftover_temporary_files(), IsEmpty());
}

TEST_P(StopAt, WithoutItTheCoreHoldsWhatSlubMadeOfThem) {
  const auto attempt = run(bench_.scenario({{", stop_at: slab_bug", ""}}));
  EXPECT_TRUE(attempt.at("stopped").is_null());
  EXPECT_EQ(text_of(attempt.at("report").at("kind")), "slub-poison-overwritten") << output_;
  // The driver may have hit some of them once more since.
  EXPECT_THAT(words(attempt, "Restoring Poison"), testing::Contains(kPoison));
  const auto found = corruptions(attempt);
  const auto restored = ranges_of(console(attempt), "Restoring Poison");
  EXPECT_TRUE(std::ranges::any_of(
      restored, [&](const std::string& address) { return !is_damaged_at(found, address); }));
}

}  // namespace
}  // namespace rig::e2e
