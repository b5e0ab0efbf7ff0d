// SPDX-License-Identifier: Apache-2.0
//
// What the loads of one stress program share: when to stop, and what was done.
#pragma once

#include <atomic>
#include <cstdint>

namespace rig::guest {

// Counters of one run; any thread may add.
struct Counters {
  std::atomic<std::uint64_t> reads{0};
  std::atomic<std::uint64_t> writes{0};
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> lost{0};
};

// The state of a run, shared by its threads.
class Load {
 public:
  // Takes part in the agent's count of work, when there is one (kWorkFdVariable).
  Load();

  Counters& counters() { return counters_; }
  void count_work(std::uint64_t amount) { work_->fetch_add(amount, std::memory_order_relaxed); }

  bool stopping() const { return stop_.load(std::memory_order_relaxed); }
  void stop() { stop_.store(true, std::memory_order_relaxed); }

  // Says what is wrong on stderr, stops the run and makes it a failure. `error`: errno or 0.
  void fail(const char* what, int error);
  bool has_failed() const { return failed_.load(std::memory_order_relaxed); }

 private:
  Counters counters_;
  std::atomic<std::uint64_t> private_work_{0};
  std::atomic<std::uint64_t>* work_ = &private_work_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
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
