// SPDX-License-Identifier: Apache-2.0
#include "crash/pace.h"

#include <algorithm>

namespace rig::crash {
namespace {

double ratio(Clock::duration time, Clock::duration expected) {
  return std::chrono::duration<double>(time) / std::chrono::duration<double>(expected);
}

}  // namespace

void Pace::booted(Clock::duration time) {
  by_boot_ = ratio(time, kExpectedBoot);
}

void Pace::beat(Clock::time_point when, std::chrono::nanoseconds uptime) {
  if (last_) by_beats_ = std::max(by_beats_, ratio(when - last_->when, kLateBeat));
  last_ = Beat{when, uptime};
  if (!first_) first_ = last_;
  const auto guest = uptime - first_->uptime;
  if (guest >= kClockSpan) by_clock_ = ratio(when - first_->when, guest);
}

void Pace::skip(Clock::duration time) {
  if (first_) first_->when += time;
  if (last_) last_->when += time;
}

double Pace::slowness() const {
  return std::clamp(std::max({by_boot_, by_beats_, by_clock_}), 1.0, kMost);
}

Clock::duration Pace::scaled(Clock::duration time) const {
  return std::chrono::duration_cast<Clock::duration>(time * slowness());
}

BootWatch::State BootWatch::at(Clock::time_point now) const {
  if (now - moved_ >= limit_) return State::kSilent;
  return now - start_ >= kLongest * limit_ ? State::kSlow : State::kWaiting;
}

Clock::time_point BootWatch::next() const {
  return std::min(moved_ + limit_, start_ + kLongest * limit_);
}

}  // namespace rig::crash
