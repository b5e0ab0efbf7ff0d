// SPDX-License-Identifier: Apache-2.0
#include "crash/detector.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace rig::crash {
namespace {

double seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

State Detector::feed(const vm::Event& event) {
  using vm::EventKind;
  if (event.kind == EventKind::kConsoleLine) feed_console(event);
  if (state_ != State::kRunning) return state_;
  switch (event.kind) {
    case EventKind::kHello:
    case EventKind::kHeartbeat:
      last_heartbeat_ = event.when;
      break;
    case EventKind::kProgramExited:
      program_exit_ = event.code;
      program_ended_ = event.when;
      break;
    case EventKind::kPanicked:
    case EventKind::kReset:
    case EventKind::kStopped:
    case EventKind::kPoweredOff:
    case EventKind::kWatchdog:
    case EventKind::kBackendExited:
      feed_stopped(event);
      break;
    case EventKind::kBreakpoint:
    case EventKind::kConsoleLine:
    case EventKind::kProgramOutput:
      break;
  }
  return tick(event.when);
}

void Detector::feed_console(const vm::Event& event) {
  const bool stamped = oops::has_kernel_stamp(event.text);
  kernel_stamps_lines_ = kernel_stamps_lines_ || stamped;
  // Where the kernel stamps its lines, one without a stamp was printed by a program.
  const bool kernels = stamped || !kernel_stamps_lines_;
  const auto kind = kernels ? oops::starts_report(event.text) : std::nullopt;
  if (report_began_ && kind) {
    next_began_ = true;
  } else if (kind && !oops::is_benign(*kind)) {
    report_kind_ = *kind;
    report_began_ = last_line_ = event.when;
    console_.mark_report();
  } else if (report_began_ && kernels && !next_began_ && event.when < next_tick()) {
    last_line_ = event.when;
  }
  console_.add_line(event.text);
}

void Detector::feed_stopped(const vm::Event& event) {
  switch (event.kind) {
    case vm::EventKind::kPanicked:
      return end(State::kCrashed, "guest panicked");
    case vm::EventKind::kReset:
      return end(State::kCrashed, "guest asked for a reset, as kernels do when they panic");
    case vm::EventKind::kStopped:
      // Somebody stopped the guest: nothing more will be printed, so a report is whole.
      if (report_began_) end_unless_reported(State::kCrashed, {});
      return;
    case vm::EventKind::kPoweredOff:
      return end_unless_reported(State::kFinished, "guest powered off");
    case vm::EventKind::kWatchdog:
      return end_unless_reported(State::kHung, "watchdog fired");
    case vm::EventKind::kBackendExited:
      return end(State::kGone, event.text.empty() ? "the VM's process exited" : event.text);
    default:
      return;
  }
}

State Detector::tick(Clock::time_point now) {
  if (state_ != State::kRunning || now < next_tick()) return state_;
  if (report_began_) {
    end_unless_reported(State::kCrashed, {});
  } else if (program_ended_) {
    end(State::kFinished, fmt::format("the load ended with exit code {}", *program_exit_));
  } else {
    end(State::kHung, fmt::format("no heartbeat for {}", human_seconds(seconds(options_.silence))));
  }
  return state_;
}

void Detector::skip(Duration time) {
  for (auto* moment : {&report_began_, &last_line_, &last_heartbeat_, &program_ended_}) {
    if (*moment) **moment += time;
  }
}

Clock::time_point Detector::next_tick() const {
  if (state_ != State::kRunning) return Clock::time_point::max();
  // A report decides once it is whole; the end of the load beats a heartbeat that ended with it.
  if (report_began_) {
    const auto still = std::max(*report_began_ + options_.grace, *last_line_ + options_.still);
    return std::min(still, *report_began_ + options_.longest);
  }
  if (program_ended_) return *program_ended_ + options_.settle;
  if (last_heartbeat_) return *last_heartbeat_ + options_.silence;
  return Clock::time_point::max();
}

void Detector::end(State state, std::string reason) {
  state_ = state;
  reason_ = std::move(reason);
}

void Detector::end_unless_reported(State state, std::string reason) {
  if (report_began_) return end(State::kCrashed, fmt::format("kernel report: {}", report_kind_));
  end(state, std::move(reason));
}

}  // namespace rig::crash
