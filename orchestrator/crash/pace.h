// SPDX-License-Identifier: Apache-2.0
// How fast a machine is, from what it has shown so far; and how long to wait for one that boots.
// Pure in that all times are given.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/deadline.h"

namespace rig::crash {

// How many times slower a machine is than deadlines are made for: the largest of
//   - its boot, over kExpectedBoot: from its start to the agent's hello;
//   - the longest time between two heartbeats, over kLateBeat: four periods may always pass;
//   - the host's time over the guest's own (heartbeats carry it), once kClockSpan has been seen: a
//     guest whose clock falls behind was given no CPU.
// Never less than 1, and never more than kMost, so that every wait stays bounded. A hang does not
// count as slowness: all three are taken from what has arrived, not from what is missing.
class Pace {
 public:
  static constexpr double kMost = 8;
  static constexpr Duration kExpectedBoot{10'000};
  static constexpr Duration kLateBeat{2'000};
  static constexpr Duration kClockSpan{2'000};

  void booted(Clock::duration time);
  void beat(Clock::time_point when, std::chrono::nanoseconds uptime);
  // The machine stood still for so long, by the rig's doing.
  void skip(Clock::duration time);

  double slowness() const;
  Clock::duration scaled(Clock::duration time) const;

 private:
  struct Beat {
    Clock::time_point when;
    std::chrono::nanoseconds uptime;
  };
  std::optional<Beat> first_, last_;
  double by_boot_ = 1, by_beats_ = 1, by_clock_ = 1;
};

// A boot that has stopped against one that is only slow: the console tells. `limit` is how long it
// may be silent; a boot that keeps printing is waited for, kLongest times as long in all.
class BootWatch {
 public:
  static constexpr int kLongest = 4;

  enum class State {
    kWaiting,
    kSilent,  // nothing was printed for `limit`: it has stopped
    kSlow,    // it goes on, but not to its end
  };

  BootWatch(Clock::time_point start, Clock::duration limit)
      : start_(start), moved_(start), limit_(limit) {}

  void moved(Clock::time_point when) { moved_ = std::max(moved_, when); }
  State at(Clock::time_point now) const;
  // When at() may change.
  Clock::time_point next() const;
  Clock::duration silence(Clock::time_point now) const { return now - moved_; }

 private:
  Clock::time_point start_, moved_;
  Clock::duration limit_;
};

}  // namespace rig::crash
