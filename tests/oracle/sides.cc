// SPDX-License-Identifier: Apache-2.0
#include "oracle/sides.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"

namespace rig::oracle {
namespace {

constexpr std::size_t kOutputLimit = 64 << 20;  // a symbol table is 6 MB

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<Completed> finish(const Command& command) {
  RunOptions options;
  options.output_limit = kOutputLimit;
  const auto done = run(command, options);
  if (!done) {
    ADD_FAILURE() << done.error().what;
    return {};
  }
  return *done;
}

// Where the answer to `question` begins in what `crashrig inspect` wrote, from `from` on.
std::size_t heading(std::string_view text, const std::string& question, std::size_t from) {
  const std::string line = fmt::format("== {} ==\n", question);
  if (text.substr(from).starts_with(line)) return from;
  const auto at = text.find("\n" + line, from);
  return at == std::string_view::npos ? at : at + 1;
}

}  // namespace

std::vector<std::string> cores() {
  std::vector<std::string> found = split(environment("CRASHRIG_ORACLE_CORES"), ':');
  std::erase(found, "");
  return found;
}

// Each command writes a file of its own: nothing marks where one answer ends and the next begins.
Answers ask_crash(const std::string& core, const std::vector<std::string>& commands) {
  const auto folder = TempDir::create("crashrig-oracle");
  if (!folder) {
    ADD_FAILURE() << folder.error().what;
    return Answers(commands.size());
  }
  std::string input;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    input += fmt::format("{} > {}\n", commands[i], (folder->path() / std::to_string(i)).string());
  }
  const fs::path script = folder->path() / "commands";
  EXPECT_TRUE(write_file_atomically(script, input + "quit\n"));
  const auto done =
      finish({"crash", {"-s", "-i", script, environment("CRASHRIG_ORACLE_VMLINUX"), core}, {}, {}});
  if (done && !done->ok()) ADD_FAILURE() << "crash failed: " << done->out << done->err;
  Answers answers;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    answers.push_back(read_file(folder->path() / std::to_string(i)).value_or(""));
  }
  return answers;
}

Answers ask_crashrig(const std::string& core, const std::vector<std::string>& questions,
                     const std::string& options) {
  const auto folder = TempDir::create("crashrig-oracle");
  if (!folder) {
    ADD_FAILURE() << folder.error().what;
    return Answers(questions.size());
  }
  const fs::path script = folder->path() / "questions";
  EXPECT_TRUE(write_file_atomically(script, fmt::format("{}\n", fmt::join(questions, "\n"))));
  const std::string shell = fmt::format("{} inspect {} {} < {}", shell_quote(RIG_PROGRAM), options,
                                        shell_quote(core), shell_quote(script.string()));
  const auto done = finish({"sh", {"-c", shell}, {}, {}});
  if (!done) return Answers(questions.size());
  Answers answers;
  std::size_t at = heading(done->out, questions.front(), 0);
  for (std::size_t i = 0; i < questions.size() && at != std::string::npos; ++i) {
    const std::size_t begin = done->out.find('\n', at) + 1;
    at = i + 1 < questions.size() ? heading(done->out, questions[i + 1], begin) : std::string::npos;
    answers.push_back(done->out.substr(begin, at - begin));
  }
  EXPECT_EQ(answers.size(), questions.size()) << "crashrig ended early: " << done->err;
  answers.resize(questions.size());
  return answers;
}

std::vector<std::string> words(std::string_view line) {
  std::vector<std::string> found = split(line, ' ');
  std::erase(found, "");
  return found;
}

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> found = split(text, '\n');
  std::erase(found, "");
  return found;
}

std::optional<std::uint64_t> hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

std::string hex(std::uint64_t value) {
  return fmt::format("{:x}", value);
}

}  // namespace rig::oracle
