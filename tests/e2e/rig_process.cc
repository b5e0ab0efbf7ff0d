// SPDX-License-Identifier: Apache-2.0
#include "e2e/rig_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <condition_variable>
#include <mutex>

namespace rig::e2e {
namespace {

constexpr const char* kProgram = RIG_PROGRAM;
constexpr const char* kRoot = RIG_ROOT;

TempDir make_folder() {
  auto folder = TempDir::create("crashrig-e2e");
  if (!folder) throw std::runtime_error(folder.error().what);
  return std::move(*folder);
}

// pid and command line of every process that has `mark` in its environment.
std::vector<std::pair<int, std::string>> marked_processes(const std::string& mark) {
  std::vector<std::pair<int, std::string>> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto environment = read_file(entry.path() / "environ");
    if (!environment || environment->find(mark) == std::string::npos) continue;
    std::string command = read_file(entry.path() / "cmdline").value_or("");
    std::replace(command.begin(), command.end(), '\0', ' ');
    if (!command.empty()) found.emplace_back(std::stoi(name), command);  // empty: a zombie
  }
  return found;
}

void pause(Clock::duration time) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable().wait_for(lock, time, [] { return false; });
}

}  // namespace

Bench::Bench() : folder_(make_folder()) {
  static int count = 0;
  mark_ = fmt::format("CRASHRIG_E2E_MARK={}-{}", ::getpid(), ++count);
  const auto equals = mark_.find('=');
  set_environment(mark_.substr(0, equals), mark_.substr(equals + 1));
  fs::create_directories(folder() / "tmp");
  set_environment("TMPDIR", (folder() / "tmp").string());
}

void Bench::set_environment(const std::string& name, const std::string& value) {
  environment_.emplace_back(name, value);
}

Bench::Ended Bench::crashrig(std::vector<std::string> args, const OnLine& on_line) {
  if (args[0] == "run" || args[0] == "demo") {
    args.insert(args.end(), {"--results", results().string()});
  }
  RunOptions options;
  options.deadline = Deadline::after(std::chrono::minutes(RIG_COMMAND_MINUTES));
  if (on_line) {
    options.on_line = [&](std::string_view line) { on_line(find_process(kProgram), line); };
  }
  const auto done = run({kProgram, args, {}, environment_}, options);
  if (!done) {
    ADD_FAILURE() << done.error().what;
    return {-1, {}, {}};
  }
  return {done->exit_code, done->out, done->err};
}

fs::path Bench::scenario(const std::vector<std::pair<std::string, std::string>>& replacements) {
  std::string text = read_file(fs::path(kRoot) / "scenarios/late-completion.yaml").value();
  for (const auto& [before, after] : replacements) {
    const auto at = text.find(before);
    if (at == std::string::npos) {
      ADD_FAILURE() << "late-completion.yaml has no '" << before << "'";
      continue;
    }
    text.replace(at, before.size(), after);
  }
  const fs::path path = folder() / "scenario.yaml";
  EXPECT_TRUE(write_file_atomically(path, text));
  return path;
}

std::vector<std::string> Bench::leftover_processes() const {
  const Deadline deadline = Deadline::after(std::chrono::seconds(5));
  for (;;) {
    std::vector<std::string> found;
    for (const auto& [pid, command] : marked_processes(mark_)) {
      found.push_back(fmt::format("{}: {}", pid, command.substr(0, 200)));
    }
    if (found.empty() || deadline.expired()) return found;
    pause(std::chrono::milliseconds(50));
  }
}

std::vector<std::string> Bench::leftover_temporary_files() const {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder() / "tmp")) {
    found.push_back(entry.path().string());
  }
  return found;
}

int Bench::find_process(std::string_view text) const {
  for (const auto& [pid, command] : marked_processes(mark_)) {
    if (command.starts_with(text)) return pid;
  }
  return 0;
}

boost::json::value Bench::Ended::json() const {
  boost::system::error_code error;
  boost::json::value document = boost::json::parse(out, error);
  if (error) ADD_FAILURE() << "not JSON: " << error.message() << "\n" << out << err;
  return document;
}

const boost::json::object& cell_of(const boost::json::value& document, std::string_view variant) {
  for (const auto& cell : document.at("cells").as_array()) {
    if (cell.at("variant").as_string() == variant) return cell.as_object();
  }
  throw std::runtime_error(fmt::format("no cell of variant {}", variant));
}

const boost::json::object& attempt_of(const boost::json::value& document,
                                      std::string_view variant) {
  return cell_of(document, variant).at("attempts").at(0).as_object();
}

std::string text_of(const boost::json::value& value) {
  return value.is_string() ? std::string(value.as_string()) : std::string();
}

}  // namespace rig::e2e
