// SPDX-License-Identifier: Apache-2.0
// From the events of a machine to one statement: crashed, finished, hung, still running.
#pragma once

#include <optional>
#include <string>

#include "base/deadline.h"
#include "oops/report.h"
#include "vm/vm.h"

namespace rig::crash {

enum class State {
  kRunning,
  kCrashed,   // the kernel panicked, or reported something and the grace period is over
  kFinished,  // the load ended by itself
  kHung,      // no sign of life for too long
  kGone,      // the backend exited: a fault of the rig
};

struct DetectorOptions {
  Duration grace{3000};     // from a report's first line until it counts as whole
  Duration silence{15000};  // no heartbeat for so long is a hang
};

// Incremental; pure in that time comes with the events and with now().
class Detector {
 public:
  explicit Detector(DetectorOptions options = {}) : options_(options) {}

  State feed(const vm::Event& event);
  State tick(Clock::time_point now);  // when nothing happened until now
  // The time at which tick() may change the state: wait no longer than this.
  Clock::time_point next_tick() const;

  State state() const { return state_; }
  const std::string& console() const { return console_; }  // all lines so far
  const std::string& reason() const {
    return reason_;
  }  // "guest panicked", "no heartbeat for 15 s"
  std::optional<int> program_exit() const { return program_exit_; }

 private:
  DetectorOptions options_;
  State state_ = State::kRunning;
  std::string console_;
  std::string reason_;
  std::optional<Clock::time_point> report_began_;
  std::optional<Clock::time_point> last_heartbeat_;
  std::optional<int> program_exit_;
};

}  // namespace rig::crash
