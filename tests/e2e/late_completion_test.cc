// SPDX-License-Identifier: Apache-2.0
// The main job on the real QEMU and the real kernels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "base/text.h"
#include "e2e/rig_process.h"

namespace rig::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// The crash of the report, established from memory: where it was, and what lies where.
void expect_proof(const boost::json::value& findings) {
  EXPECT_EQ(text_of(findings.at("exception").at("at").at("function")), "skb_release_data");
  EXPECT_EQ(text_of(findings.at("exception").at("address")), "0x106");
  bool found = false;
  for (const auto& pointer : findings.at("pointers").as_array()) {
    const auto* object = pointer.at("object").if_object();
    if (object == nullptr || text_of(object->at("cache")) != "kmalloc-1k") continue;
    found = found || text_of(object->at("content")).substr(0x2c8 * 2, 8) == "06010000";
  }
  EXPECT_TRUE(found) << "no kmalloc-1k object holds 0x106 at 0x2c8";
}

class OnEveryArch : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(LateCompletion, OnEveryArch, testing::Values("x86_64", "arm64"),
                         [](const auto& test) { return test.param; });

TEST_P(OnEveryArch, FaultyIsProvenFromTheCoreAndFixedSurvives) {
  Bench bench;
  const auto ended = bench.crashrig({"run", "late-completion", "--arch", GetParam(), "--detector",
                                     "none", "--keep-core", "--repeat", "1", "--json"});
  ASSERT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  const auto document = ended.json();
  EXPECT_TRUE(document.at("ok").as_bool());

  const auto& faulty = attempt_of(document, "faulty");
  EXPECT_EQ(text_of(faulty.at("outcome")), "expected-crash");
  EXPECT_EQ(text_of(faulty.at("report").at("kind")), "null-deref");
  EXPECT_EQ(text_of(faulty.at("report").at("function")), "skb_release_data");
  EXPECT_EQ(text_of(cell_of(document, "faulty").at("verdict")), "pass");
  EXPECT_EQ(text_of(attempt_of(document, "fixed").at("outcome")), "survived");

  // What landed on disk is a standard kdump file, not a flattened one.
  const fs::path core = text_of(faulty.at("core"));
  const auto mapped = MappedFile::open(core);
  ASSERT_TRUE(mapped) << mapped.error().what;
  EXPECT_EQ(as_text(mapped->bytes().first(8)), "KDUMP   ");

  // The core alone is enough, wherever it lies.
  const fs::path elsewhere = bench.folder() / "somebody-elses-core";
  fs::copy_file(core, elsewhere);
  const auto analyzed = bench.crashrig({"analyze", "--json", elsewhere.string()});
  ASSERT_EQ(analyzed.exit_code, 0) << analyzed.err;
  expect_proof(analyzed.json());
  const auto told = bench.crashrig({"analyze", elsewhere.string()});
  EXPECT_THAT(told.out, HasSubstr("skb_release_data"));
  EXPECT_THAT(told.out, HasSubstr("0x106"));

  EXPECT_THAT(bench.leftover_processes(), IsEmpty());
  EXPECT_THAT(bench.leftover_temporary_files(), IsEmpty());
}

TEST(LateCompletion, ElfCoreOfARelocatedKernelGivesTheSameProof) {
  Bench bench;
  const fs::path kernel = bench.folder() / "relocated.yaml";
  ASSERT_TRUE(write_file_atomically(
      kernel, "provider: debian\nseries: \"6.1\"\nabi: newest\nentry: bzimage\n"));
  const auto ended = bench.crashrig({"run", "late-completion", "--arch", "x86_64", "--detector",
                                     "none", "--variant", "faulty", "--repeat", "1", "--kernel",
                                     kernel.string(), "--format", "elf", "--keep-core", "--json"});
  ASSERT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  const auto document = ended.json();
  const auto& faulty = attempt_of(document, "faulty");
  const auto core = MappedFile::open(text_of(faulty.at("core")));
  ASSERT_TRUE(core);
  EXPECT_EQ(as_text(core->bytes().first(4)),
            "\x7f"
            "ELF");
  const auto findings = read_file(text_of(faulty.at("findings")));
  ASSERT_TRUE(findings);
  const auto parsed = boost::json::parse(*findings);
  expect_proof(parsed);
  const auto offset = parse_u64(text_of(parsed.at("core").at("kaslr_offset")));
  ASSERT_TRUE(offset);
  EXPECT_NE(*offset, 0u);
}

TEST(LateCompletion, AnotherValueIsAnotherCrashAndTheOutputShowsBothValues) {
  Bench bench;
  const fs::path file = bench.scenario({{"{late_write: 1}", "{late_write: 1, late_value: 0x1a6}"}});
  const auto ended = bench.crashrig({"run", file.string(), "--arch", "x86_64", "--detector", "none",
                                     "--variant", "faulty", "--repeat", "1"});
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("other-crash"));
  EXPECT_THAT(ended.out, HasSubstr("fail"));
  EXPECT_THAT(ended.out, HasSubstr("0x106"));
  EXPECT_THAT(ended.out, HasSubstr("0x1a6"));
}

TEST(LateCompletion, AttemptsAtOnceAreAllJudgedAndExpectedCoresAreNotKept) {
  Bench bench;
  const auto ended =
      bench.crashrig({"run", "late-completion", "--arch", "x86_64", "--detector", "none",
                      "--variant", "faulty", "--repeat", "4", "-j", "2", "--json"});
  ASSERT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  const auto document = ended.json();
  const auto& attempts = cell_of(document, "faulty").at("attempts").as_array();
  ASSERT_EQ(attempts.size(), 4u);
  for (const auto& attempt : attempts) {
    EXPECT_EQ(text_of(attempt.at("outcome")), "expected-crash");
    EXPECT_TRUE(attempt.at("core").is_null());
    EXPECT_TRUE(fs::exists(text_of(attempt.at("findings"))));
  }
  for (const auto& entry : fs::recursive_directory_iterator(bench.results())) {
    EXPECT_NE(entry.path().filename(), "vmcore");
  }
  EXPECT_THAT(bench.leftover_processes(), IsEmpty());
}

TEST(LateCompletion, DryRunNamesTheCellsAndStartsNothing) {
  Bench bench;
  const auto ended = bench.crashrig({"run", "late-completion", "--dry-run"});
  EXPECT_EQ(ended.exit_code, 0);
  for (const char* cell : {"x86_64/debian-6.1/none/faulty", "x86_64/debian-6.1/none/fixed",
                           "arm64/debian-6.1/none/faulty", "arm64/debian-6.1/none/fixed"}) {
    EXPECT_THAT(ended.out, HasSubstr(fmt::format("late-completion/{}", cell)));
  }
  EXPECT_FALSE(fs::exists(bench.results()));
}

}  // namespace
}  // namespace rig::e2e
