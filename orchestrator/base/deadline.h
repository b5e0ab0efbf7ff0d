// SPDX-License-Identifier: Apache-2.0
// Every wait has a deadline, and every wait can be cancelled.
#pragma once

#include <algorithm>
#include <chrono>
#include <stop_token>

namespace rig {

using Clock = std::chrono::steady_clock;
using Duration = std::chrono::milliseconds;

class Deadline {
 public:
  static Deadline after(Clock::duration time) { return Deadline(Clock::now() + time); }

  Clock::time_point at() const { return at_; }
  bool expired() const { return Clock::now() >= at_; }
  Clock::duration remaining() const {
    return std::max(Clock::duration::zero(), at_ - Clock::now());
  }
  // The earlier of the two: a step's own deadline never outlives that of the whole.
  Deadline sooner(Deadline other) const { return Deadline(std::min(at_, other.at_)); }

 private:
  explicit Deadline(Clock::time_point at) : at_(at) {}
  Clock::time_point at_;
};

// Measures one phase, for records: seconds as the JSON shows them.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  Clock::time_point start() const { return start_; }

 private:
  Clock::time_point start_ = Clock::now();
};

}  // namespace rig
