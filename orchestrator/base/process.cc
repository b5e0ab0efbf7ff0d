// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <sys/wait.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/process/v2/environment.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/start_dir.hpp>
#include <boost/process/v2/stdio.hpp>
#include <cstdlib>
#include <unordered_map>

#include "base/child_guard.h"
#include "base/text.h"

namespace rig {
namespace asio = boost::asio;
namespace process = boost::process::v2;
using boost::system::error_code;

namespace {

// One of the program's output streams: kept up to a limit, and handed on line by line.
class Stream {
 public:
  Stream(asio::io_context& loop, const RunOptions& options) : pipe_(loop), options_(options) {}

  asio::readable_pipe& pipe() { return pipe_; }
  std::string take() { return std::move(text_); }

  void read() {
    pipe_.async_read_some(asio::buffer(buffer_), [this](error_code error, std::size_t count) {
      accept(std::string_view(buffer_, count));
      if (!error) return read();
      if (!line_.empty() && options_.on_line) options_.on_line(line_);
    });
  }

 private:
  void accept(std::string_view part) {
    text_.append(
        part.substr(0, options_.output_limit - std::min(text_.size(), options_.output_limit)));
    if (!options_.on_line) return;
    for (const char c : part) {
      if (c == '\n' || c == '\r') {
        if (!line_.empty()) options_.on_line(std::exchange(line_, {}));
      } else if (line_.size() < 4096) {
        line_ += c;
      }
    }
  }

  asio::readable_pipe pipe_;
  const RunOptions& options_;
  std::string text_;
  std::string line_;
  char buffer_[16384];
};

int decode_status(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::unordered_map<std::string, std::string> environment_with(const Command& command) {
  std::unordered_map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos)
      all.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  for (const auto& [name, value] : command.environment) all[name] = value;
  return all;
}

}  // namespace

Result<Completed> run(const Command& command, const RunOptions& options) {
  RIG_ASSIGN(const fs::path program, find_program(command.program, {}));
  asio::io_context loop;
  Stream out(loop, options);
  Stream err(loop, options);

  error_code error;
  process::posix::default_launcher launcher;
  auto child = launcher(
      loop.get_executor(), error, boost::filesystem::path(program.string()), command.args,
      process::process_stdio{nullptr, out.pipe(), err.pipe()},
      process::process_start_dir(command.directory.empty() ? "." : command.directory.string()),
      process::process_environment(environment_with(command)), ChildGuard{});
  if (error) return fail(Blame::kRig, "cannot run {}: {}", command.to_shell(), error.message());

  const pid_t group = child.id();
  out.read();
  err.read();
  enum class Ended { kItself, kDeadline, kCancelled } ended = Ended::kItself;
  asio::steady_timer timer(loop, options.deadline.remaining());
  const auto end = [&](Ended why) {
    ended = why;
    ::kill(-group, SIGKILL);
  };
  timer.async_wait([&](error_code e) {
    if (!e) end(Ended::kDeadline);
  });
  bool alive = true;
  const std::stop_callback on_stop(options.stop, [&] {
    asio::post(loop, [&] {
      if (alive) end(Ended::kCancelled);
    });
  });
  child.async_wait([&](error_code, int) {
    alive = false;
    timer.cancel();
  });
  loop.run();

  if (ended == Ended::kCancelled) return fail(Blame::kCancelled, "stopped: {}", command.to_shell());
  if (ended == Ended::kDeadline) {
    return fail(Blame::kRig, "took too long and was ended: {}", command.to_shell());
  }
  return Completed{decode_status(child.native_exit_code()), out.take(), err.take()};
}

Result<Completed> run_ok(const Command& command, const RunOptions& options, Blame blame) {
  RIG_ASSIGN(Completed done, run(command, options));
  if (done.ok()) return done;
  std::string_view message = trim(done.err.empty() ? done.out : done.err);
  constexpr std::size_t kQuoted = 2000;
  if (message.size() > kQuoted) message.remove_prefix(message.size() - kQuoted);
  return fail(blame, "{} ended with {}:\n{}", command.to_shell(), done.exit_code, message);
}

Result<fs::path> find_program(std::string_view name, std::string_view debian_package) {
  if (name.find('/') != std::string_view::npos) {
    if (::access(std::string(name).c_str(), X_OK) == 0) return fs::path(name);
  } else {
    const char* path = std::getenv("PATH");
    for (const std::string& folder : split(path != nullptr ? path : "/usr/bin:/bin", ':')) {
      const fs::path candidate = fs::path(folder) / name;
      if (!folder.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
  }
  std::string hint = debian_package.empty() ? std::string("is it installed?")
                                            : fmt::format("apt-get install {}", debian_package);
  return fail_hint(Blame::kRig, std::move(hint), "cannot find the program {}", name);
}

std::string shell_quote(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(text);
  }
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string Command::to_shell() const {
  std::string line = shell_quote(program);
  for (const std::string& arg : args) line += " " + shell_quote(arg);
  return line;
}

}  // namespace rig
