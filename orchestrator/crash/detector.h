// SPDX-License-Identifier: Apache-2.0
// From the events of a machine to one statement: crashed, finished, hung, still running.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/hang.h"
#include "crash/bounded_console.h"
#include "crash/pace.h"
#include "crash/report_sense.h"
#include "oops/report.h"
#include "vm/vm.h"

namespace rig::crash {

enum class State {
  kRunning,
  kCrashed,   // the kernel panicked, or reported something and the grace period is over
  kFinished,  // the load ended by itself, or the guest powered off; program_exit() tells which
  kHung,      // nothing goes on any more: hang() tells what still does
  kGone,      // the backend exited: a fault of the rig
};

struct DetectorOptions {
  Duration grace{3000};     // from a report's first line until it can be whole
  Duration still{1000};     // and it is once the kernel has printed no more of it for so long
  Duration longest{20000};  // or this time has passed since its first line
  Duration silence{15000};  // no heartbeat for so long is a hard hang
  Duration no_work{30000};  // a load that counted work and then none for so long: a soft hang
  Duration heard{3000};  // a beat within so long of the kernel's own report of a hang: it is soft
  Duration settle{500};  // from the load's end until no report of its last moments can follow
  ConsoleLimits console = {};
};

// Incremental; pure in that time comes with the events and with now(). A state other than kRunning
// is final (but for disown_report()); console lines that come after it are still kept.
//
// A hang is told by what is done, not by what is printed: heartbeats (hard), and the work that the
// load counts in them (soft). `silence`, `no_work` and `heard` are of a machine as fast as
// expected; they grow with Pace's slowness. A load that never counted any work is not missed.
//
// When several things happen, what says most about the kernel wins: a panic or a report that has
// begun before the load ended, the watchdog fired or the heartbeat stopped makes it a crash. A
// report of a hang (oops::is_hang) that no panic follows is the report of that hang. Only a
// backend that exits beats a report that is not whole yet: its memory is lost. Benign reports
// (oops::is_benign) are kept in the console, but no crash.
class Detector {
 public:
  explicit Detector(DetectorOptions options = {})
      : options_(std::move(options)), console_(options_.console) {}

  State feed(const vm::Event& event);
  // When nothing happened until now. Feed all events that have arrived before calling it.
  State tick(Clock::time_point now);
  // The agent said hello so long after the machine's start: how fast it is.
  void booted(Clock::duration time);
  // The machine stood still for so long, by the rig's doing: none of its waits goes on meanwhile.
  void skip(Duration time);
  // The report that decided was a program's text: what comes next decides anew.
  void disown_report();
  // The time at which tick() may change the state: wait no longer than this.
  Clock::time_point next_tick() const;

  State state() const { return state_; }
  // All lines so far; of a flood the beginning, the first report and the end, and it says so.
  std::string console() const { return console_.text(); }
  const std::string& reason() const {
    return reason_;
  }  // "guest panicked", "hard hang: no heartbeat for 15 s"
  // Of kHung.
  const std::optional<HangKind>& hang() const { return hang_; }
  const Pace& pace() const { return pace_; }
  std::optional<int> program_exit() const { return program_exit_; }
  // The kind of the first report that began, whatever the state.
  const std::string& report_kind() const { return report_kind_; }
  // The line that it began with; empty unless this report, and nothing else, decided.
  std::string_view deciding_line() const { return by_report_ ? report_line_ : std::string_view(); }
  // When it began; time that was skipped since then is not counted.
  const std::optional<Clock::time_point>& report_began() const { return report_began_; }

 private:
  void feed_console(const vm::Event& event);
  void feed_heartbeat(const vm::Event& event);
  void feed_stopped(const vm::Event& event);
  void end(State state, std::string reason);
  void end_hung(HangKind kind, std::string_view why);
  // As the report says if one has begun, else as given.
  void end_unless_reported(State state, std::string reason);
  void end_reported();
  bool hang_reported() const;
  Clock::time_point report_decided() const;
  Clock::time_point silent_at() const;   // max(): there was no heartbeat yet
  Clock::time_point no_work_at() const;  // max(): no load counts work

  DetectorOptions options_;
  State state_ = State::kRunning;
  BoundedConsole console_;
  std::string reason_;
  std::string report_kind_;
  std::string report_line_;
  bool by_report_ = false;
  ReportSense sense_;
  std::optional<Clock::time_point> report_began_;
  std::optional<Clock::time_point> last_line_;  // of the kernel's, since then
  bool next_began_ = false;                     // another report: the first one has ended
  Pace pace_;
  bool booted_ = false;
  std::optional<HangKind> hang_;
  std::optional<Clock::time_point> last_heartbeat_;
  std::optional<Clock::time_point> last_work_;  // when the count grew
  std::uint64_t work_ = 0;
  std::uint64_t programs_ = 0;  // that run
  std::optional<Clock::time_point> program_ended_;
  std::optional<int> program_exit_;
};

}  // namespace rig::crash
