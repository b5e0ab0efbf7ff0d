// SPDX-License-Identifier: Apache-2.0
#include "crash/detector.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace rig::crash {
namespace {

std::string in_words(Clock::duration time) {
  return human_seconds(std::chrono::duration<double>(time).count());
}

}  // namespace

State Detector::feed(const vm::Event& event) {
  using vm::EventKind;
  if (event.kind == EventKind::kConsoleLine) feed_console(event);
  if (state_ != State::kRunning) return state_;
  switch (event.kind) {
    case EventKind::kHello:
      booted_ = true;
      last_heartbeat_ = event.when;
      break;
    case EventKind::kCaptureHello:
      end(State::kCrashed, "the kernel crashed, and its capture kernel runs");
      break;
    case EventKind::kHeartbeat:
      feed_heartbeat(event);
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
  const auto [kernels, kind] = sense_.look(event.text);
  if (report_began_ && kind) {
    next_began_ = true;
  } else if (kind && !oops::is_benign(*kind)) {
    report_kind_ = *kind;
    report_line_ = event.text;
    report_began_ = last_line_ = event.when;
    console_.mark_report();
  } else if (report_began_ && kernels && !next_began_ && event.when < next_tick()) {
    last_line_ = event.when;
  }
  console_.add_line(event.text);
}

void Detector::feed_heartbeat(const vm::Event& event) {
  pace_.beat(event.when, event.uptime);
  last_heartbeat_ = event.when;
  // The clock starts with the first work, and anew with a load that begins.
  if (event.work != work_ || programs_ == 0) last_work_ = event.when;
  work_ = event.work;
  programs_ = event.programs;
}

void Detector::feed_stopped(const vm::Event& event) {
  switch (event.kind) {
    case vm::EventKind::kPanicked:
      return end(State::kCrashed, "guest panicked");
    case vm::EventKind::kReset:
      return end(State::kCrashed, "guest asked for a reset, as kernels do when they panic");
    case vm::EventKind::kStopped:
      // Somebody stopped the guest: nothing more will be printed, so a report is whole.
      if (report_began_) end_reported();
      return;
    case vm::EventKind::kPoweredOff:
      return end_unless_reported(State::kFinished, "guest powered off");
    case vm::EventKind::kWatchdog:
      if (report_began_) return end_reported();
      return end_hung(HangKind::kHard, "the watchdog fired");
    case vm::EventKind::kBackendExited:
      return end(State::kGone, event.text.empty() ? "the VM's process exited" : event.text);
    default:
      return;
  }
}

State Detector::tick(Clock::time_point now) {
  if (state_ != State::kRunning || now < next_tick()) return state_;
  if (report_began_) {
    by_report_ = true;
    end_reported();
  } else if (program_ended_) {
    end(State::kFinished, fmt::format("the load ended with exit code {}", *program_exit_));
  } else if (silent_at() <= no_work_at()) {
    end_hung(HangKind::kHard, "no heartbeat for " + in_words(silent_at() - *last_heartbeat_));
  } else {
    end_hung(HangKind::kSoft, "the load did no work for " + in_words(no_work_at() - *last_work_) +
                                  ", and the agent goes on");
  }
  return state_;
}

void Detector::disown_report() {
  state_ = State::kRunning;
  hang_.reset();
  reason_.clear();
  report_kind_.clear();
  report_line_.clear();
  by_report_ = next_began_ = false;
  report_began_.reset();
  last_line_.reset();
}

void Detector::booted(Clock::duration time) {
  booted_ = true;
  pace_.booted(time);
}

void Detector::skip(Duration time) {
  for (auto* moment :
       {&report_began_, &last_line_, &last_heartbeat_, &last_work_, &program_ended_}) {
    if (*moment) **moment += time;
  }
  pace_.skip(time);
}

Clock::time_point Detector::next_tick() const {
  if (state_ != State::kRunning) return Clock::time_point::max();
  // A report decides once it is whole; the end of the load beats a heartbeat that ended with it.
  if (report_began_) return report_decided();
  if (program_ended_) return *program_ended_ + options_.settle;
  return std::min(silent_at(), no_work_at());
}

Clock::time_point Detector::report_decided() const {
  const auto last = *report_began_ + options_.longest;
  const auto whole = std::max(*report_began_ + options_.grace, *last_line_ + options_.still);
  // What kind of hang it is: a heartbeat since then tells, or that there is none.
  const bool beats = !last_heartbeat_ || *last_heartbeat_ >= *report_began_;
  if (!hang_reported() || beats) return std::min(whole, last);
  return std::min(std::max(whole, *report_began_ + pace_.scaled(options_.heard)), last);
}

Clock::time_point Detector::silent_at() const {
  if (!last_heartbeat_) return Clock::time_point::max();
  return *last_heartbeat_ + pace_.scaled(options_.silence);
}

Clock::time_point Detector::no_work_at() const {
  if (work_ == 0 || programs_ == 0 || !last_work_) return Clock::time_point::max();
  const auto due = *last_work_ + pace_.scaled(options_.no_work);
  // An agent that has not been heard by then may have stopped, too: silent_at() decides.
  const bool heard = due <= *last_heartbeat_ + pace_.scaled(options_.heard);
  return heard ? due : Clock::time_point::max();
}

void Detector::end(State state, std::string reason) {
  state_ = state;
  reason_ = std::move(reason);
}

void Detector::end_hung(HangKind kind, std::string_view why) {
  hang_ = kind;
  end(State::kHung, fmt::format("{} hang: {}", to_string(kind), why));
}

void Detector::end_unless_reported(State state, std::string reason) {
  if (report_began_) return end_reported();
  end(state, std::move(reason));
}

bool Detector::hang_reported() const {
  return oops::is_hang(report_kind_);
}

void Detector::end_reported() {
  const std::string what = fmt::format("kernel report: {}", report_kind_);
  if (!hang_reported()) return end(State::kCrashed, what);
  const bool beats = last_heartbeat_ && *last_heartbeat_ >= *report_began_;
  end_hung(!booted_ ? HangKind::kBoot : beats ? HangKind::kSoft : HangKind::kHard, what);
}

}  // namespace rig::crash
