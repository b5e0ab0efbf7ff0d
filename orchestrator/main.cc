// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/deadline.h"
#include "commands/verbs.h"

namespace {

// Turns the signals that ask us to end into a stop token. Blocked before any thread starts, so that
// only this thread ever sees them; those that were ignored (nohup) stay ignored. The orderly end
// takes a moment; asked again when that takes too long, we end at once.
class Signals {
 public:
  Signals() {
    ::sigemptyset(&set_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      struct sigaction before {};
      ::sigaction(signal, nullptr, &before);
      if (before.sa_handler != SIG_IGN) ::sigaddset(&set_, signal);
    }
    ::sigaddset(&set_, kWake);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    thread_ = std::thread([this] { listen(); });
  }
  ~Signals() {
    done_ = true;
    ::pthread_kill(thread_.native_handle(), kWake);
    thread_.join();
  }

  std::stop_token token() const { return source_.get_token(); }

 private:
  static constexpr int kWake = SIGUSR1;
  static constexpr std::chrono::seconds kPatience{5};

  void listen() {
    std::optional<rig::Deadline> patience;
    for (int signal = 0; ::sigwait(&set_, &signal) == 0 && !done_;) {
      if (signal == kWake) continue;
      if (patience && patience->expired()) ::_exit(rig::commands::kCancelled);
      if (!patience) patience = rig::Deadline::after(kPatience);
      source_.request_stop();
    }
  }

  sigset_t set_;
  std::stop_source source_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace

int main(int argc, char** argv) {
  // Warnings go where messages go: stdout is for results.
  spdlog::set_default_logger(spdlog::stderr_logger_mt("crashrig"));
  spdlog::set_pattern("crashrig: %l: %v");
  const Signals signals;
  const rig::commands::Context context{signals.token()};
  return rig::commands::dispatch(argc, argv, context);
}
