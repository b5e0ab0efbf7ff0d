// SPDX-License-Identifier: Apache-2.0
#include "attempt.h"

#include <algorithm>

#include "analyzer/analyzer.h"
#include "attempt_run.h"
#include "base/text.h"
#include "crash/report_sense.h"
#include "hang_phase.h"
#include "kdump_phase.h"
#include "machine_config.h"
#include "oops/reporting_functions.h"
#include "verdict/verdict.h"

namespace rig {
namespace {

using std::chrono::seconds;

constexpr auto kArmTime = seconds(30);     // to find the functions of stop_at and arm them
constexpr auto kReportTime = seconds(10);  // from a stop in the injection to its report

crash::DetectorOptions detector_options(const scenario::Timeouts& timeouts) {
  crash::DetectorOptions options;
  options.silence = timeouts.silence;
  options.no_work = timeouts.no_work;
  return options;
}

}  // namespace

AttemptRun::AttemptRun(const scenario::Cell& cell, const Payload& payload,
                       const AttemptOptions& options)
    : cell_(cell),
      payload_(payload),
      options_(options),
      detector_(detector_options(cell.scenario->timeouts)) {}

Result<store::Attempt> AttemptRun::play() {
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

Status AttemptRun::phases() {
  RIG_TRY(start());  // vm: a machine that runs the kernel
  RIG_TRY(boot());   // vm: until its agent answers
  if (ended_in_boot_) {
    RIG_TRY(capture());  // crash: the core is on disk
  } else {
    RIG_TRY(inject_payload());  // vm: the module and the load are in it
    RIG_TRY(await_end());       // crash: crashed, hung, or the load ended; the core is on disk
  }
  // vm: what the kernel says to an NMI, once the evidence is safe
  if (attempt_.hang) {
    const bool panics = payload_.cmdline.find("unknown_nmi_panic") != std::string::npos;
    RIG_TRY(ask_by_nmi(*vm_, detector_.pace(), *attempt_.hang, panics));
  }
  vm_.reset();
  RIG_TRY(analyze());  // analyzer: findings
  judge();             // verdict: outcome
  return {};
}

Status AttemptRun::start() {
  begin("boot");
  vm::VmConfig config = machine_config(cell_, options_.accelerator, options_.stop);
  config.kernel = payload_.kernel.boot_file;
  config.initramfs = payload_.initramfs;
  config.cmdline = payload_.cmdline;
  config.folder = options_.folder;
  config.breakpoints = !names_to_stop_at().empty();
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

Status AttemptRun::boot() {
  RIG_ASSIGN(const BootEnd boot,
             await_boot(*vm_, detector_, watch_.start(), cell_.scenario->timeouts.boot,
                        [this](const vm::Event& event) { return take(event); }));
  attempt_.seconds.boot = watch_.seconds();
  if (!boot.guest) return conclude_boot(boot);
  detector_.booted(Clock::now() - watch_.start());
  RIG_TRY(check_drivers(*boot.guest));
  if (payload_.kdump) RIG_TRY(load_capture_kernel(*vm_, *payload_.kdump));
  return arm();
}

// What a signature expects of the boot is judged like any other crash or hang; else it is the
// rig's fault that the guest is not there.
Status AttemptRun::conclude_boot(const BootEnd& boot) {
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
Status AttemptRun::fail_boot(const BootEnd& boot) {
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

void AttemptRun::note_hang(HangKind kind) {
  attempt_.hang = store::Hang{.kind = kind,
                              .slowness = detector_.pace().slowness(),
                              .last_line = last_console_line(detector_.console())};
}

// The drivers that the scenario and its disks ask for must be there; the others are told.
Status AttemptRun::check_drivers(const vm::GuestInfo& guest) {
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

std::vector<std::string> AttemptRun::names_to_stop_at() const {
  if (!payload_.kdump || !payload_.kdump->both) return cell_.stop_at();
  return {fmt::format("{}{}", oops::kAnyFunction, kBeforeCapture)};
}

// The watchdog, and breakpoints on the functions of `stop_at`, where this guest has them.
Status AttemptRun::arm() {
  const auto watchdog = cell_.scenario->guest.hardware_on(cell_.arch).watchdog;
  if (watchdog.count() != 0) {
    RIG_ASSIGN(attempt_.watchdog, arm_watchdog(*vm_, watchdog, detector_.pace()));
  }
  const auto names = names_to_stop_at();
  if (names.empty()) return {};
  RIG_ASSIGN(stop_points_, crash::set_stop_points(*vm_, names, Deadline::after(kArmTime)));
  return {};
}

Status AttemptRun::inject_payload() {
  begin("inject");
  injected_at_ = Clock::now();
  const Status status = inject(*vm_, cell_.scenario->guest.files, payload_);
  if (status || status.error().blame == Blame::kCancelled) return status;

  // The guest's kernel refused, died of it, or went on no more: only the last two are a result.
  RIG_TRY(drain());
  detector_.tick(Clock::now());
  if (attempt_.stopped || !attempt_.machine_core.empty()) RIG_TRY(watch(kReportTime));
  if (crashed() || hung()) return {};
  if (status.error().blame != Blame::kKernel) return status;
  return fail(Blame::kRig, "nothing could be injected: {}", status.error().what);
}

Status AttemptRun::analyze() {
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
  return attempt_.machine_core.empty() ? Status() : compare_cores();
}

Status AttemptRun::compare_cores() {
  RIG_ASSIGN(const auto machines,
             analyzer::analyze(options_.folder / attempt_.machine_core,
                               {.percpu = asked_variables(cell_.expectation())}));
  const fs::path file = (options_.folder / attempt_.machine_core).parent_path() / "findings.json";
  RIG_TRY(write_file_atomically(file, analyzer::to_json(machines)));
  attempt_.core_differences = differences(machines, *findings_);
  for (const std::string& line : attempt_.core_differences) {
    if (options_.on_note) options_.on_note(line);
  }
  return {};
}

void AttemptRun::judge() {
  verdict::Observation observation;
  observation.crashed = ending_ == Ending::kCrashed || ending_ == Ending::kDamaged;
  observation.hung = ending_ == Ending::kHung;
  observation.survived = ending_ == Ending::kSurvived;
  observation.in_boot = ended_in_boot_;
  if (attempt_.hang) observation.hang = attempt_.hang->kind;
  if (attempt_.hang && attempt_.hang->nmi) observation.to_nmi = attempt_.hang->nmi->report;
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

Result<store::Attempt> run_attempt(const scenario::Cell& cell, const Payload& payload,
                                   const AttemptOptions& options) {
  return AttemptRun(cell, payload, options).play();
}

}  // namespace rig
