// SPDX-License-Identifier: Apache-2.0
//
// What the loads of one stress program share: when to stop, and what was done.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>
#include <string>
#include <utility>

#include "guest/stress/options.h"

namespace rig::guest {

// Counters of one run; any thread may add.
struct Counters {
  std::atomic<std::uint64_t> reads{0};
  std::atomic<std::uint64_t> writes{0};
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> lost{0};
};

// How long a run lasts: so many seconds; or, unless it is 0, until so much work is done, however
// long that takes.
struct Length {
  std::uint64_t seconds = 10;
  std::uint64_t work = 0;

  void declare(Options& options);  // --seconds N, --work N
  std::string text() const;        // "10 s", "2400 units of work"
};

// The state of a run, shared by its threads.
class Load {
 public:
  // `program` is how messages call it. Takes part in the agent's count of work, when there is one
  // (kWorkFdVariable).
  explicit Load(std::string program);

  Counters& counters() { return counters_; }
  // Stops the run when that was the last of its length.
  void count_work(std::uint64_t amount) {
    const auto before = work_->fetch_add(amount, std::memory_order_relaxed);
    if (before + amount >= most_work_) stop();
  }

  using Clock = std::chrono::steady_clock;

  // The length counts from here. Before the run's threads are started.
  void begin(const Length& length);
  bool over() const { return stopping() || Clock::now() >= end_; }
  // Until the run is over; then stops it.
  void wait();

  bool stopping() const { return stop_.load(std::memory_order_relaxed); }
  void stop();
  // Until then, or until somebody stops the run; true when nobody did.
  bool wait_until(Clock::time_point end);

  // Both say what is wrong on stderr and stop the run; the first of all threads counts. `error`:
  // errno or 0. fail(): what worked before went wrong, or data did: the kernel is to blame.
  // fail_setup(): the load could not begin, which says nothing about the kernel.
  void fail(const char* what, int error) { end(kDamageSeen, what, error); }
  void fail_setup(const char* what, int error) { end(kNotSetUp, what, error); }

  // The program's exit code, as docs/SCENARIOS.md defines it.
  int exit_code() const { return exit_code_.load(std::memory_order_relaxed); }

  static constexpr int kDamageSeen = 1;
  static constexpr int kNotSetUp = 3;

 private:
  void end(int exit_code, const char* what, int error);

  const std::string program_;
  Counters counters_;
  std::atomic<std::uint64_t> private_work_{0};
  std::atomic<std::uint64_t>* work_ = &private_work_;
  std::uint64_t most_work_ = std::numeric_limits<std::uint64_t>::max();
  Clock::time_point end_ = Clock::time_point::max();
  std::atomic<bool> stop_{false};
  std::mutex stop_mutex_;
  std::condition_variable stopped_;
  std::atomic<int> exit_code_{0};
};

// A small generator of the xorshift family: reproducible, no state shared between threads.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

 private:
  std::uint64_t state_;
};

}  // namespace rig::guest
