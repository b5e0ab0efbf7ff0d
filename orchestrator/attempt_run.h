// SPDX-License-Identifier: Apache-2.0
// Of attempt.cc and attempt_wait.cc alone: one attempt on its way through its phases.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/findings.h"
#include "attempt.h"
#include "boot_phase.h"
#include "crash/detector.h"
#include "crash/kernel_log.h"
#include "crash/stop_points.h"
#include "payload.h"

namespace rig {

// How the wait ended, where it ended in something that can be judged.
enum class Ending {
  kCrashed,
  kHung,
  kSurvived,
  kDamaged,  // no crash, but the load found its data wrong
};

// The state of one attempt while it goes through its phases, in the order of the data.
class AttemptRun {
 public:
  AttemptRun(const scenario::Cell& cell, const Payload& payload, const AttemptOptions& options);

  Result<store::Attempt> play();

 private:
  // attempt.cc: the phases, the boot, the injection, and what is made of the end.
  Status phases();
  Status start();
  Status boot();
  Status conclude_boot(const BootEnd& boot);
  Status fail_boot(const BootEnd& boot);
  Status check_drivers(const vm::GuestInfo& guest);
  std::vector<std::string> names_to_stop_at() const;
  Status arm();
  Status inject_payload();
  Status analyze();
  Status compare_cores();
  void judge();
  void note_hang(HangKind kind);

  // attempt_wait.cc: from the injection to the core on disk.
  Status take(const vm::Event& event);
  void feed(const vm::Event& event);
  Status on_breakpoint(const vm::Event& event);
  Status go_on(Clock::time_point stopped);
  Status await_end();
  Status wait();
  Status watch(Duration time);
  Status conclude();
  Status refuse_early_report() const;
  Status conclude_load();
  Status drain();
  Status capture();
  Status take_core();
  Status take_kdump();
  Status take_core_without_kdump();
  Status take_core_beside();
  Duration capture_time() const;
  ProgressSink detail_sink() const;
  void forget_core();
  void drop_core();
  std::vector<oops::Report> reports_so_far() const;

  bool crashed() const { return detector_.state() == crash::State::kCrashed; }
  bool hung() const { return detector_.state() == crash::State::kHung; }
  void begin(std::string_view phase) {
    watch_ = Stopwatch();
    if (options_.on_phase) options_.on_phase(phase);
  }

  const scenario::Cell& cell_;
  const Payload& payload_;
  const AttemptOptions& options_;

  store::Attempt attempt_;
  std::unique_ptr<vm::Vm> vm_;
  crash::Detector detector_;
  Ending ending_ = Ending::kCrashed;
  bool ended_in_boot_ = false;
  std::string output_;  // of the program
  std::uint64_t work_ = 0;
  std::optional<vm::Event> work_began_;  // the first heartbeat with any
  std::vector<crash::StopPoint> stop_points_;
  Clock::time_point injected_at_ = Clock::now();
  Duration paused_{};            // stood still for the rig's own sake
  crash::KernelLog kernel_log_;  // of the core
  std::vector<oops::Report> reports_;
  std::optional<analyzer::Findings> findings_;
  Stopwatch watch_;
};

}  // namespace rig
