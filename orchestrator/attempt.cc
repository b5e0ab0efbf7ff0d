// SPDX-License-Identifier: Apache-2.0
#include "attempt.h"

#include <algorithm>

#include "analyzer/analyzer.h"
#include "base/text.h"
#include "boot_phase.h"
#include "crash/capture.h"
#include "crash/detector.h"
#include "crash/report_sense.h"
#include "crash/stop_points.h"
#include "machine_config.h"
#include "verdict/verdict.h"

namespace rig {
namespace {

using std::chrono::seconds;

constexpr auto kArmTime = seconds(30);           // to find the functions of stop_at and arm them
constexpr auto kReportTime = seconds(10);        // from a stop in the injection to its report
constexpr auto kCaptureTime = seconds(60);       // and more for what the memory takes to write
constexpr std::uint64_t kDumpSpeed = 16u << 20;  // bytes a second: a slow disk's
constexpr auto kQuiet = std::chrono::milliseconds(100);  // a stopped guest says nothing for so long
constexpr int kLoadSawDamage = 1;              // exit code of a load that found its data wrong
constexpr std::size_t kOutputKept = 64 << 10;  // of the program's output

// How the wait ended, where it ended in something that can be judged.
enum class Ending {
  kCrashed,
  kHung,
  kSurvived,
  kDamaged,  // no crash, but the load found its data wrong
};

crash::DetectorOptions detector_options(const scenario::Timeouts& timeouts) {
  crash::DetectorOptions options;
  options.silence = timeouts.silence;
  options.no_work = timeouts.no_work;
  return options;
}

// The state of one attempt while it goes through its phases, in the order of the data.
class Run {
 public:
  Run(const scenario::Cell& cell, const Payload& payload, const AttemptOptions& options)
      : cell_(cell),
        payload_(payload),
        options_(options),
        detector_(detector_options(cell.scenario->timeouts)) {}

  Result<store::Attempt> play();

 private:
  Status phases();
  Status start();
  Status boot();
  Status conclude_boot(const BootEnd& boot);
  Status fail_boot(const BootEnd& boot);
  Status check_drivers(const vm::GuestInfo& guest);
  Status arm();
  Status inject_payload();
  Status wait();
  Status watch(Duration time);
  Status conclude();
  Status refuse_early_report() const;
  Status conclude_load();
  Status drain();
  Status capture();
  Status take_core();
  void drop_core();
  Status analyze();
  std::vector<oops::Report> reports_so_far() const;
  void judge();

  bool crashed() const { return detector_.state() == crash::State::kCrashed; }
  bool hung() const { return detector_.state() == crash::State::kHung; }
  void note_hang(HangKind kind);
  void begin(std::string_view phase) {
    watch_ = Stopwatch();
    if (options_.on_phase) options_.on_phase(phase);
  }
  Status take(const vm::Event& event);
  void feed(const vm::Event& event);
  Status on_breakpoint(const vm::Event& event);

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
  Duration paused_{};  // stood still at breakpoints
  std::vector<oops::Report> reports_;
  std::optional<analyzer::Findings> findings_;
  Stopwatch watch_;
};

Result<store::Attempt> Run::play() {
  const Status status = phases();
  if (std::error_code error; fs::exists(options_.folder / "console.log", error)) {
    attempt_.console = "console.log";
  }
  if (!status && status.error().blame == Blame::kCancelled) {
    return tl::unexpected(status.error());
  }
  if (!status) {
    attempt_.outcome = verdict::Outcome::kRigError;
    attempt_.error = status.error().message();
  }
  return std::move(attempt_);
}

Status Run::phases() {
  RIG_TRY(start());  // vm: a machine that runs the kernel
  RIG_TRY(boot());   // vm: until its agent answers
  if (!ended_in_boot_) {
    RIG_TRY(inject_payload());  // vm: the module and the load are in it
    RIG_TRY(wait());            // crash: crashed, hung, or the load ended
    RIG_TRY(refuse_early_report());
  }
  RIG_TRY(capture());  // crash: the core is on disk
  RIG_TRY(analyze());  // analyzer: findings
  judge();             // verdict: outcome
  return {};
}

Status Run::start() {
  begin("boot");
  vm::VmConfig config = machine_config(cell_, options_.accelerator, options_.stop);
  config.kernel = payload_.kernel.boot_file;
  config.initramfs = payload_.initramfs;
  config.cmdline = payload_.cmdline;
  config.folder = options_.folder;
  config.breakpoints = !cell_.stop_at().empty();
  config.begins_report = [sense = crash::ReportSense()](std::string_view line) mutable {
    const auto kind = sense.look(line).report;
    return kind && !oops::is_benign(*kind);
  };
  RIG_ASSIGN(vm_, options_.start(config));

  const vm::VmDescription description = vm_->describe();
  attempt_.command_line = description.command_line;
  attempt_.accelerator = description.accelerator;
  attempt_.backend_version = description.backend_version;
  if (options_.on_machine) options_.on_machine(description);
  return {};
}

Status Run::boot() {
  RIG_ASSIGN(const BootEnd boot,
             await_boot(*vm_, detector_, watch_.start(), cell_.scenario->timeouts.boot,
                        [this](const vm::Event& event) { return take(event); }));
  attempt_.seconds.boot = watch_.seconds();
  if (!boot.guest) return conclude_boot(boot);
  detector_.booted(Clock::now() - watch_.start());
  RIG_TRY(check_drivers(*boot.guest));
  return arm();
}

// What a signature expects of the boot is judged like any other crash or hang; else it is the
// rig's fault that the guest is not there.
Status Run::conclude_boot(const BootEnd& boot) {
  RIG_TRY(drain());
  if (hung() || boot.silent) note_hang(HangKind::kBoot);
  ended_in_boot_ = true;
  ending_ = attempt_.hang ? Ending::kHung : Ending::kCrashed;
  attempt_.reason = detector_.reason();
  if (attempt_.hang) {
    attempt_.reason = fmt::format("boot-hang after \"{}\": {}", attempt_.hang->last_line,
                                  boot.why.empty() ? detector_.reason() : boot.why);
  }
  const bool judged = crashed() || attempt_.hang;
  if (judged && cell_.expectation().during == scenario::During::kBoot) return {};
  return fail_boot(boot);
}

// The core of such a guest is worth having, but it is not what was asked for: that it cannot be had
// is no error of its own.
Status Run::fail_boot(const BootEnd& boot) {
  const auto cause = oops::cause(reports_so_far());
  const std::string why = cause                         ? cause->title
                          : detector_.console().empty() ? "it printed nothing at all"
                          : !boot.why.empty()           ? boot.why
                                                        : detector_.reason();
  attempt_.report = cause;
  Error error = boot_error(payload_.kernel.release, why, options_.folder / "console.log",
                           cell_.scenario->timeouts.boot);
  if (!detector_.console().empty() && attempt_.hang) {
    error.what += fmt::format("; its last line: {}", attempt_.hang->last_line);
  }
  if (detector_.state() != crash::State::kGone) {
    Status looked = take_core();
    if (looked) looked = analyze();
    if (!looked && looked.error().blame == Blame::kCancelled) return looked;
    if (findings_ && attempt_.hang) error.what += "; " + cpu_words(*findings_);
  }
  return tl::unexpected(std::move(error));
}

void Run::note_hang(HangKind kind) {
  attempt_.hang = store::Hang{.kind = kind,
                              .slowness = detector_.pace().slowness(),
                              .last_line = last_console_line(detector_.console())};
}

// The drivers that the scenario and its disks ask for must be there; the others are told.
Status Run::check_drivers(const vm::GuestInfo& guest) {
  for (const std::string& error : guest.module_errors) {
    for (const std::string& driver : payload_.drivers) {
      if (with_underscores(error).find(with_underscores(driver)) != std::string::npos) {
        return fail(Blame::kRig, "the driver {} did not load: {}", driver, error);
      }
    }
    if (options_.on_note) options_.on_note(fmt::format("a driver did not load: {}", error));
  }
  return {};
}

// Breakpoints on the functions of `stop_at`, where this guest has them.
Status Run::arm() {
  const auto names = cell_.stop_at();
  if (names.empty()) return {};
  RIG_ASSIGN(stop_points_, crash::set_stop_points(*vm_, names, Deadline::after(kArmTime)));
  return {};
}

Status Run::inject_payload() {
  begin("inject");
  injected_at_ = Clock::now();
  const Status status = inject(*vm_, cell_.scenario->guest.files, payload_);
  if (status || status.error().blame == Blame::kCancelled) return status;

  // The guest's kernel refused, died of it, or went on no more: only the last two are a result.
  RIG_TRY(drain());
  detector_.tick(Clock::now());
  if (attempt_.stopped) RIG_TRY(watch(kReportTime));
  if (crashed() || hung()) return {};
  if (status.error().blame != Blame::kKernel) return status;
  return fail(Blame::kRig, "nothing could be injected: {}", status.error().what);
}

void Run::feed(const vm::Event& event) {
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

Status Run::take(const vm::Event& event) {
  feed(event);
  return event.kind == vm::EventKind::kBreakpoint ? on_breakpoint(event) : Status();
}

// The kernel is about to report. What it complains about is still in memory: the core is taken
// now, then the guest goes on, so that the report gets printed. Later stops are only noted: what
// they would show may follow from the first.
Status Run::on_breakpoint(const vm::Event& event) {
  const Clock::time_point since = Clock::now();
  const auto at = std::find_if(stop_points_.begin(), stop_points_.end(),
                               [&](const auto& point) { return point.address == event.address; });
  const std::string function =
      at == stop_points_.end() ? fmt::format("{}", event.address) : at->function;
  if (attempt_.stopped) {
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
  const Deadline deadline = Deadline::after(kInjectTime);
  RIG_TRY(vm_->remove_breakpoint(event.address, deadline));
  RIG_TRY(vm_->resume(deadline));
  const auto pause = std::chrono::duration_cast<Duration>(Clock::now() - since);
  detector_.skip(pause);
  paused_ += pause;
  return {};
}

Status Run::wait() {
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
Status Run::watch(Duration time) {
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
Status Run::conclude() {
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
Status Run::refuse_early_report() const {
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

Status Run::conclude_load() {
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
Status Run::drain() {
  const Deadline deadline = Deadline::after(seconds(5));
  while (!deadline.expired()) {
    RIG_ASSIGN(const auto event, vm_->next_event(Deadline::after(kQuiet).sooner(deadline)));
    if (!event) return {};
    RIG_TRY(take(*event));
  }
  return {};
}

Status Run::capture() {
  if (ending_ == Ending::kSurvived) drop_core();
  if (ending_ != Ending::kCrashed && ending_ != Ending::kHung) return {};
  if (attempt_.core.empty()) RIG_TRY(take_core());
  vm_.reset();
  return {};
}

// A stop that no report followed was none: the function is also called otherwise.
void Run::drop_core() {
  if (!attempt_.stopped || attempt_.core.empty()) return;
  std::error_code error;
  fs::remove(options_.folder / attempt_.core, error);
  attempt_.core.clear();
  attempt_.core_format.clear();
  if (options_.on_note) {
    options_.on_note(fmt::format("the guest was stopped at {}, but no report followed",
                                 attempt_.stopped->function));
  }
}

Status Run::take_core() {
  begin("capture");
  const auto progress = [&](const Progress& step) {
    if (options_.on_detail && step.fraction) {
      options_.on_detail(fmt::format("{:.0f} %", *step.fraction * 100));
    }
  };
  const auto time = kCaptureTime + seconds(cell_.scenario->guest.memory_bytes / kDumpSpeed);
  RIG_ASSIGN(const auto core, crash::capture(*vm_, options_.folder, options_.format, progress,
                                             Deadline::after(time)));
  attempt_.core = core.path.filename().string();
  attempt_.core_format = vm::to_string(options_.format);
  attempt_.seconds.capture = watch_.seconds();
  return {};
}

std::vector<oops::Report> Run::reports_so_far() const {
  return oops::parse_reports(crash::kernels_lines(detector_.console()));
}

Status Run::analyze() {
  reports_ = reports_so_far();
  if (attempt_.core.empty()) return {};
  begin("analyze");
  RIG_ASSIGN(findings_, analyzer::analyze(options_.folder / attempt_.core,
                                          {.percpu = asked_variables(cell_.expectation())}));
  RIG_TRY(write_file_atomically(options_.folder / "findings.json", analyzer::to_json(*findings_)));
  attempt_.findings = "findings.json";
  if (!findings_->findings.empty()) attempt_.finding = findings_->findings.front();
  attempt_.seconds.analyze = watch_.seconds();
  if (!oops::cause(reports_)) reports_ = findings_->reports;
  return {};
}

void Run::judge() {
  verdict::Observation observation;
  observation.crashed = ending_ == Ending::kCrashed || ending_ == Ending::kDamaged;
  observation.hung = ending_ == Ending::kHung;
  observation.survived = ending_ == Ending::kSurvived;
  observation.in_boot = ended_in_boot_;
  if (attempt_.hang) observation.hang = attempt_.hang->kind;
  if (ending_ != Ending::kSurvived) observation.report = oops::cause(reports_);
  observation.findings = findings_ ? &*findings_ : nullptr;
  verdict::Judgement judgement = verdict::judge(cell_.expectation(), observation);
  attempt_.outcome = judgement.outcome;
  attempt_.checks = std::move(judgement.checks);
  attempt_.report = std::move(observation.report);
  if (ending_ == Ending::kDamaged) {
    attempt_.checks.insert(attempt_.checks.begin(), {.predicate = "load",
                                                     .expected = "its data is right",
                                                     .found = end_of_output(output_),
                                                     .holds = false});
  }
}

}  // namespace

Result<store::Attempt> run_attempt(const scenario::Cell& cell, const Payload& payload,
                                   const AttemptOptions& options) {
  return Run(cell, payload, options).play();
}

}  // namespace rig
