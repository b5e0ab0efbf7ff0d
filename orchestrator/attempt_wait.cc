// SPDX-License-Identifier: Apache-2.0
// From the injection to the core on disk.
#include <algorithm>

#include "analyzer/analyzer.h"
#include "attempt_run.h"
#include "base/text.h"
#include "crash/capture.h"
#include "crash/report_sense.h"
#include "kdump_phase.h"

namespace rig {
namespace {

using std::chrono::seconds;

constexpr auto kCaptureTime = seconds(60);       // and more for what the memory takes to write
constexpr std::uint64_t kDumpSpeed = 16u << 20;  // bytes a second: a slow disk's
constexpr auto kQuiet = std::chrono::milliseconds(100);  // a stopped guest says nothing for so long
constexpr int kMostFakes = 10;     // reports that programs print, until the attempt is given up
constexpr int kLoadSawDamage = 1;  // exit code of a load that found its data wrong
constexpr std::size_t kOutputKept = 64 << 10;  // of the program's output

}  // namespace

void AttemptRun::feed(const vm::Event& event) {
  detector_.feed(event);
  if (event.kind == vm::EventKind::kHeartbeat && event.work != work_) {
    if (!work_began_) work_began_ = event;
    attempt_.work = event.work;
    const double time = std::chrono::duration<double>(event.uptime - work_began_->uptime).count();
    const auto since = static_cast<double>(event.work - work_began_->work);
    if (time > 0) attempt_.work_per_second = since / time;
    work_ = event.work;
  }
  if (event.kind == vm::EventKind::kProgramOutput && output_.size() < kOutputKept) {
    output_ += event.text;
    if (options_.on_detail) {
      const auto lines = split(trim(event.text), '\n');
      options_.on_detail(lines.back());
    }
  }
}

Status AttemptRun::take(const vm::Event& event) {
  feed(event);
  return event.kind == vm::EventKind::kBreakpoint ? on_breakpoint(event) : Status();
}

// The kernel is about to report. What it complains about is still in memory: the core is taken
// now, then the guest goes on, so that the report gets printed. Later stops are only noted: what
// they would show may follow from the first.
Status AttemptRun::on_breakpoint(const vm::Event& event) {
  const Clock::time_point since = Clock::now();
  const auto at = std::find_if(stop_points_.begin(), stop_points_.end(),
                               [&](const auto& point) { return point.address == event.address; });
  const std::string function =
      at == stop_points_.end() ? fmt::format("{}", event.address) : at->function;
  if (payload_.kdump) {
    RIG_TRY(take_core_beside());
  } else if (attempt_.stopped) {
    attempt_.stopped->later.push_back(function);
  } else {
    const auto time = event.when - injected_at_ - paused_;
    attempt_.stopped = store::FirstStop{.function = function,
                                        .address = raw(event.address),
                                        .cpu = event.cpu,
                                        .seconds = std::chrono::duration<double>(time).count(),
                                        .later = {}};
    const Stopwatch before = watch_;
    RIG_TRY(take_core());
    begin("wait");
    watch_ = before;
  }
  RIG_TRY(vm_->remove_breakpoint(event.address, Deadline::after(kInjectTime)));
  return go_on(since);
}

// A machine that stood still for the rig's own sake runs on, and nothing waited meanwhile.
Status AttemptRun::go_on(Clock::time_point stopped) {
  RIG_TRY(vm_->resume(Deadline::after(kInjectTime)));
  const auto pause = std::chrono::duration_cast<Duration>(Clock::now() - stopped);
  detector_.skip(pause);
  paused_ += pause;
  return {};
}

// A program can print what only a kernel should, with a kernel's stamp, or have it printed through
// /dev/kmsg: then there is more to wait for. The log in the core tells. The guest is not asked:
// that would change the memory that is the evidence of a real report.
Status AttemptRun::await_end() {
  std::string fake;
  for (int fakes = 0; fakes < kMostFakes; ++fakes) {
    RIG_TRY(wait());
    RIG_TRY(refuse_early_report());
    const Clock::time_point since = Clock::now();
    RIG_TRY(capture());
    fake = detector_.deciding_line();
    if (!kernel_log_.denies(fake) || oops::cause(reports_so_far())) return {};
    if (options_.on_note) {
      options_.on_note(
          fmt::format("a program printed \"{}\": the kernel's log has no such line", fake));
    }
    forget_core();
    detector_.disown_report();
    RIG_TRY(go_on(since));
  }
  return fail_hint(Blame::kRig, "keep the kernel's console free of such text",
                   "programs print reports that the kernel did not make, the last of {}: \"{}\"",
                   kMostFakes, fake);
}

Status AttemptRun::wait() {
  if (crashed()) return {};
  begin("wait");
  const Duration paused = paused_;
  RIG_TRY(watch(cell_.scenario->timeouts.crash));
  attempt_.seconds.crash =
      watch_.seconds() - std::chrono::duration<double>(paused_ - paused).count();
  attempt_.reason = detector_.reason();
  return conclude();
}

// Until the detector knows how it ended, or for so long of the guest's time; longer where the guest
// is slow.
Status AttemptRun::watch(Duration time) {
  const Clock::time_point begin = Clock::now() - paused_;
  // What has begun is waited for to its end: a report, or the settling after the load's end.
  const auto deciding = [&] {
    return !detector_.report_kind().empty() || detector_.program_exit().has_value();
  };
  while (detector_.state() == crash::State::kRunning) {
    const auto end = begin + paused_ + detector_.pace().scaled(time);
    const auto deadline = Deadline::after(end - Clock::now());
    if (deadline.expired() && !deciding()) break;
    const auto tick = Deadline::after(detector_.next_tick() - Clock::now());
    RIG_ASSIGN(const auto event, vm_->next_event(deciding() ? tick : deadline.sooner(tick)));
    if (event) {
      RIG_TRY(take(*event));
    } else {
      detector_.tick(Clock::now());
    }
  }
  return {};
}

// From the state that the wait ended in to how the attempt ended, or whose fault it is.
Status AttemptRun::conclude() {
  switch (detector_.state()) {
    case crash::State::kCrashed:
      ending_ = Ending::kCrashed;
      return drain();
    case crash::State::kHung:
      ending_ = Ending::kHung;
      RIG_TRY(drain());
      note_hang(*detector_.hang());
      return {};
    case crash::State::kGone:
      return fail(Blame::kRig, "{}", detector_.reason());
    case crash::State::kFinished:
      return conclude_load();
    case crash::State::kRunning:
      break;
  }
  if (payload_.program.empty()) {  // surviving the time is all that was asked
    ending_ = Ending::kSurvived;
    attempt_.reason =
        fmt::format("nothing happened for {}", human_seconds(*attempt_.seconds.crash));
    return {};
  }
  return fail_hint(Blame::kRig, "raise timeouts.crash, or lower stress.seconds",
                   "the load neither ended nor crashed the guest within {}",
                   human_seconds(*attempt_.seconds.crash));
}

// What the kernel complained about while it booted is nothing that the injection did.
Status AttemptRun::refuse_early_report() const {
  const auto& began = detector_.report_began();
  if (!began || *began >= injected_at_) return {};
  const auto cause = oops::cause(reports_so_far());
  return fail_hint(Blame::kRig,
                   fmt::format("read {}; a lockup during the boot means a host that is too busy: "
                               "fewer guests at once (--jobs)",
                               (options_.folder / "console.log").string()),
                   "the kernel reported something before anything was injected: {}",
                   cause ? cause->title : detector_.report_kind());
}

Status AttemptRun::conclude_load() {
  const auto code = detector_.program_exit();
  if (!code) return fail(Blame::kRig, "the guest powered off before the load had ended");
  if (*code == 0 || *code == kLoadSawDamage) {
    ending_ = *code == 0 ? Ending::kSurvived : Ending::kDamaged;
    return {};
  }
  return fail_hint(Blame::kRig, "docs/SCENARIOS.md has the exit codes of a load",
                   "the load {} ended with exit code {}: {}", payload_.program.filename().string(),
                   *code, end_of_output(output_));
}

// Takes what is still queued, until the guest says nothing more.
Status AttemptRun::drain() {
  const Deadline deadline = Deadline::after(seconds(5));
  while (!deadline.expired()) {
    RIG_ASSIGN(const auto event, vm_->next_event(Deadline::after(kQuiet).sooner(deadline)));
    if (!event) return {};
    RIG_TRY(take(*event));
  }
  return {};
}

Status AttemptRun::capture() {
  if (ending_ == Ending::kSurvived) drop_core();
  if (ending_ != Ending::kCrashed && ending_ != Ending::kHung) return {};
  if (!attempt_.core.empty()) return {};
  return payload_.kdump ? take_kdump() : take_core();
}

ProgressSink AttemptRun::detail_sink() const {
  return [this](const Progress& step) {
    if (options_.on_detail && step.fraction) {
      options_.on_detail(fmt::format("{:.0f} %", *step.fraction * 100));
    }
  };
}

Duration AttemptRun::capture_time() const {
  return kCaptureTime + seconds(cell_.scenario->guest.memory_bytes / kDumpSpeed);
}

Status AttemptRun::take_core() {
  begin("capture");
  RIG_ASSIGN(const auto core, crash::capture(*vm_, options_.folder, options_.format, detail_sink(),
                                             Deadline::after(capture_time())));
  attempt_.core = core.path.filename().string();
  attempt_.captured_by = to_string(scenario::Capture::kQmp);
  attempt_.core_format = vm::to_string(options_.format);
  attempt_.seconds.capture = watch_.seconds();
  // At a stop the report is yet to come.
  const auto log = analyzer::kernels_log(core.path);
  if (log) kernel_log_ = crash::KernelLog(*log, !attempt_.stopped);
  return {};
}

// A kernel that did not crash, though it reported something or hangs, boots no capture kernel: its
// core is the machine's. So is that of one whose capture kernel is lost, which is an error.
Status AttemptRun::take_kdump() {
  if (detector_.report_kind().empty() && hung()) return take_core_without_kdump();
  begin("kdump");
  RIG_ASSIGN(const AwaitedCapture awaited,
             await_capture_kernel(*vm_, cell_.scenario->timeouts.boot,
                                  [this](const vm::Event& event) { return take(event); }));
  if (awaited.state == CaptureKernel::kNotRun) return take_core_without_kdump();
  if (awaited.state == CaptureKernel::kLost) {
    RIG_TRY(take_core());
    return fail_hint(Blame::kRig, "vmcore has the machine's own dump (capture: qmp)",
                     "the capture kernel did not come up: {}", awaited.why);
  }
  RIG_ASSIGN(const fs::path core, save_kdump(*vm_, options_.folder, payload_.kdump->level,
                                             detail_sink(), Deadline::after(capture_time())));
  attempt_.core = core.filename().string();
  attempt_.captured_by = to_string(scenario::Capture::kKdump);
  attempt_.core_format = vm::to_string(vm::DumpFormat::kKdumpZlib);
  attempt_.seconds.capture = watch_.seconds();
  return {};
}

// The machine's, of a guest that is about to enter the capture kernel.
Status AttemptRun::take_core_beside() {
  const std::string folder(to_string(scenario::Capture::kQmp));
  RIG_ASSIGN(const auto core, crash::capture(*vm_, options_.folder / folder, options_.format,
                                             detail_sink(), Deadline::after(capture_time())));
  attempt_.machine_core = (fs::path(folder) / core.path.filename()).string();
  return {};
}

Status AttemptRun::take_core_without_kdump() {
  if (options_.on_note) {
    options_.on_note("the kernel did not panic, so kdump had no part in it: the machine's core");
  }
  return take_core();
}

void AttemptRun::forget_core() {
  std::error_code error;
  fs::remove(options_.folder / attempt_.core, error);
  attempt_.core.clear();
  attempt_.core_format.clear();
}

// A stop that no report followed was none: the function is also called otherwise.
void AttemptRun::drop_core() {
  if (!attempt_.stopped || attempt_.core.empty()) return;
  forget_core();
  if (options_.on_note) {
    options_.on_note(fmt::format("the guest was stopped at {}, but no report followed",
                                 attempt_.stopped->function));
  }
}

std::vector<oops::Report> AttemptRun::reports_so_far() const {
  return oops::parse_reports(crash::kernels_lines(detector_.console(), kernel_log_));
}

}  // namespace rig
