// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include "base/launch.h"
#include "base/text.h"

namespace rig {
namespace asio = boost::asio;
namespace process = boost::process::v2;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kDrainTime{1};  // from the program's end to that of its output

// One of the program's output streams: kept up to a limit, and handed on line by line.
class Stream {
 public:
  Stream(asio::io_context& loop, const RunOptions& options) : pipe_(loop), options_(options) {}

  // The end for the program; this one reads until nobody holds that any more, then calls `on_end`.
  Result<UniqueFd> open(std::function<void()> on_end) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot create a pipe");
    UniqueFd reading(ends[0]);
    UniqueFd writing(ends[1]);
    ::fcntl(reading.get(), F_SETFL, O_NONBLOCK);
    pipe_.assign(reading.get());
    reading.release();
    on_end_ = std::move(on_end);
    read();
    return writing;
  }

  bool ended() const { return ended_; }
  std::string take() { return std::move(text_); }

  // Whoever still holds the other end is not waited for; what has come is kept.
  void finish() {
    constexpr int kFullPipe = 64;  // buffers in the most that a pipe holds, 1 MiB
    for (int i = 0; i < kFullPipe && pipe_.is_open(); ++i) {
      const ssize_t count = ::read(pipe_.native_handle(), buffer_, sizeof buffer_);
      if (count <= 0) break;
      accept(std::string_view(buffer_, static_cast<std::size_t>(count)));
    }
    end();
  }

 private:
  void end() {
    ended_ = true;
    if (!line_.empty() && options_.on_line) options_.on_line(std::exchange(line_, {}));
  }

  void read() {
    pipe_.async_read_some(asio::buffer(buffer_), [this](error_code error, std::size_t count) {
      accept(std::string_view(buffer_, count));
      if (!error) return read();
      end();
      on_end_();
    });
  }

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
  std::function<void()> on_end_;
  bool ended_ = false;
  std::string text_;
  std::string line_;
  char buffer_[16384];
};

int decode_status(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// One program from its start to its end. Whatever ends it, its process group goes with it, and the
// wait is over kDrainTime later: a daemon that keeps the pipes open, or a program that the kernel
// cannot end, are left alone then.
class Run {
 public:
  Run(const Command& command, const RunOptions& options)
      : command_(command),
        options_(options),
        out_(loop_, options),
        err_(loop_, options),
        timer_(loop_) {}
  ~Run() {
    if (alive_) end_group();
    // Reaped, or not to be waited for: its destructor would do that without a deadline.
    if (child_ && (!alive_ || abandoned_)) (void)child_->detach();
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Status start() {
    RIG_ASSIGN(const UniqueFd out, out_.open([this] { check_whole(); }));
    RIG_ASSIGN(const UniqueFd err, err_.open([this] { check_whole(); }));
    RIG_ASSIGN(auto child, launch(loop_, command_, {.out = out.get(), .err = err.get()}));
    child_.emplace(std::move(child));
    group_ = child_->id();
    alive_ = true;
    child_->async_wait([this](error_code error, int) { on_exit(error); });
    return {};
  }

  Result<Completed> wait() {
    timer_.expires_after(options_.deadline.remaining());
    timer_.async_wait([this](error_code error) {
      if (!error && alive_) end(Ended::kDeadline);
    });
    const std::stop_callback on_stop(
        options_.stop, [this] { asio::post(loop_, [this] { end(Ended::kCancelled); }); });
    loop_.run();
    return result();
  }

 private:
  enum class Ended { kItself, kDeadline, kCancelled };

  void end(Ended why) {
    if (ended_ == Ended::kItself) ended_ = why;
    if (!alive_) return loop_.stop();  // cancelled while its last output is awaited
    end_group();
    drain();
  }

  void on_exit(error_code error) {
    wait_error_ = error;
    end_group();  // what it left behind
    alive_ = false;
    drain();
    check_whole();
  }

  void end_group() {
    ::kill(-group_, SIGKILL);
    if (alive_) ::kill(group_, SIGKILL);  // it may have joined another group
  }

  void drain() {
    timer_.expires_after(kDrainTime);
    timer_.async_wait([this](error_code error) {
      if (!error) loop_.stop();
    });
  }

  void check_whole() {
    if (!alive_ && out_.ended() && err_.ended()) loop_.stop();
  }

  Result<Completed> result() {
    abandoned_ = alive_;
    for (Stream* stream : {&out_, &err_}) {
      if (!stream->ended()) stream->finish();
    }
    if (ended_ == Ended::kCancelled) {
      return fail(Blame::kCancelled, "stopped: {}", command_.to_shell());
    }
    if (ended_ == Ended::kDeadline) {
      return fail(Blame::kRig, "took too long and was ended: {}", command_.to_shell());
    }
    if (wait_error_) {
      return fail_errno(wait_error_.value(),
                        fmt::format("cannot tell how it ended: {}", command_.to_shell()));
    }
    return Completed{decode_status(child_->native_exit_code()), out_.take(), err_.take()};
  }

  const Command& command_;
  const RunOptions& options_;
  asio::io_context loop_;
  Stream out_;
  Stream err_;
  asio::steady_timer timer_;
  std::optional<process::process> child_;
  pid_t group_ = 0;
  bool alive_ = false;
  bool abandoned_ = false;  // killed, but it does not end
  Ended ended_ = Ended::kItself;
  error_code wait_error_;
};

}  // namespace

Result<Completed> run(const Command& command, const RunOptions& options) {
  try {
    Run program(command, options);
    RIG_TRY(program.start());
    return program.wait();
  } catch (const boost::system::system_error& error) {  // of Asio, out of descriptors
    return fail_errno(error.code().value(), fmt::format("cannot run {}", command.to_shell()));
  }
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
