// SPDX-License-Identifier: Apache-2.0
// docs/your-first-crash.md, step by step, as a reader carries it out.
#include <gtest/gtest.h>

#include "e2e/document.h"
#include "e2e/shell.h"

namespace rig::e2e {
namespace {

TEST(Document, ItsBlocksAreFilesCommandsAndOutput) {
  const auto steps = parse_document(
      "Text.\n\n`a/b.c`:\n\n```c\nint x;\n```\n\n```text\nnot for us\n```\n"
      "```sh\ncat a/b.c\n```\nprints\n```console\nint x;\n```\n`c` is no file:\n```yaml\n```\n");
  ASSERT_TRUE(steps) << steps.error().message();
  ASSERT_EQ(steps->size(), 3u);
  EXPECT_EQ(steps->at(0).kind, Step::Kind::kFile);
  EXPECT_EQ(steps->at(0).path, "a/b.c");
  EXPECT_EQ(steps->at(0).text, "int x;\n");
  EXPECT_EQ(steps->at(0).line, 6);
  EXPECT_EQ(steps->at(1).kind, Step::Kind::kCommands);
  EXPECT_EQ(steps->at(2).kind, Step::Kind::kOutput);
  EXPECT_FALSE(parse_document("```sh\ntrue\n"));
  EXPECT_FALSE(parse_document("```console\ntrue\n```\n"));
}

TEST(Document, OutputIsComparedButForWhatIsLeftOut) {
  EXPECT_TRUE(fits("a\nb\n", "a  \nb\n"));
  EXPECT_FALSE(fits("a\nb\n", "a\n"));
  EXPECT_FALSE(fits("a\n", "a\nb\n"));
  EXPECT_TRUE(fits("a ... c\n", "a b c\n"));
  EXPECT_FALSE(fits("a ... c\n", "a b d\n"));
  EXPECT_TRUE(fits("...\nb\n...\n", "a\na\nb\n"));
  EXPECT_FALSE(fits("...\nb\n...\n", "a\nc\n"));
  EXPECT_TRUE(fits("x...y...z\n", "x1y2y3z\n"));
}

TEST(YourFirstCrash, EveryStepDoesWhatTheDocumentSays) {
  const auto text = read_file(fs::path(RIG_ROOT) / "docs/your-first-crash.md");
  ASSERT_TRUE(text) << text.error().message();
  const auto steps = parse_document(*text);
  ASSERT_TRUE(steps) << steps.error().message();
  const auto folder = TempDir::create("first-crash");
  ASSERT_TRUE(folder) << folder.error().message();
  Completed last;
  int commands = 0, outputs = 0;
  for (const Step& step : *steps) {
    SCOPED_TRACE(fmt::format("docs/your-first-crash.md:{}:\n{}", step.line, step.text));
    if (step.kind == Step::Kind::kFile) {
      const fs::path file = folder->path() / step.path;
      fs::create_directories(file.parent_path());
      ASSERT_TRUE(write_file_atomically(file, step.text));
    } else if (step.kind == Step::Kind::kCommands) {
      last = shell(folder->path(), step.text);
      ASSERT_EQ(last.exit_code, 0) << last.out << last.err;
      ++commands;
    } else {
      ASSERT_TRUE(fits(step.text, last.out)) << "but it is:\n" << last.out << last.err;
      ++outputs;
    }
  }
  EXPECT_GE(commands, 5);
  EXPECT_GE(outputs, 4);
}

}  // namespace
}  // namespace rig::e2e
