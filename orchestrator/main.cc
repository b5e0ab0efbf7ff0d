// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <stop_token>
#include <thread>

#include "commands/verbs.h"

namespace {

// Turns the signals that ask us to end into a stop token; a second one ends us at once. Blocked
// before any thread starts, so that only this thread ever sees them.
class Signals {
 public:
  Signals() {
    ::sigemptyset(&set_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) ::sigaddset(&set_, signal);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    thread_ = std::thread([this] { listen(); });
  }
  ~Signals() {
    ::pthread_kill(thread_.native_handle(), SIGUSR1);
    thread_.join();
  }

  std::stop_token token() const { return source_.get_token(); }

 private:
  void listen() {
    for (int signal = 0; ::sigwait(&set_, &signal) == 0 && signal != SIGUSR1;) {
      if (source_.stop_requested()) ::_exit(rig::commands::kCancelled);
      source_.request_stop();
    }
  }

  sigset_t set_;
  std::stop_source source_;
  std::thread thread_;
};

}  // namespace

int main(int argc, char** argv) {
  // Warnings go where messages go: stdout is for results.
  spdlog::set_default_logger(spdlog::stderr_logger_mt("crashrig"));
  spdlog::set_pattern("crashrig: %l: %v");
  const Signals signals;
  const rig::commands::Context context{signals.token(), ::isatty(STDOUT_FILENO) != 0};
  return rig::commands::dispatch(argc, argv, context);
}
