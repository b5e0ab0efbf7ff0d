// SPDX-License-Identifier: Apache-2.0
#include "attempt.h"

#include <algorithm>

#include "analyzer/analyzer.h"
#include "base/text.h"
#include "crash/capture.h"
#include "crash/detector.h"
#include "verdict/verdict.h"

namespace rig {
namespace {

using std::chrono::seconds;

constexpr auto kInjectTime = seconds(30);  // to send and load the module, to start the program
constexpr auto kCaptureTime = seconds(120);
constexpr auto kQuiet = std::chrono::milliseconds(100);  // a stopped guest says nothing for so long
constexpr auto kNoWork = seconds(10);                    // without any work done, a load is stuck
constexpr int kLoadSawDamage = 1;              // exit code of a load that found its data wrong
constexpr std::size_t kOutputKept = 64 << 10;  // of the program's output

// The state of one attempt while it goes through its phases, in the order of the data.
class Run {
 public:
  Run(const scenario::Cell& cell, const Payload& payload, const AttemptOptions& options)
      : cell_(cell), payload_(payload), options_(options) {}

  Result<store::Attempt> play();

 private:
  Status phases();
  Status start();
  Status boot();
  Status inject();
  Status send(const fs::path& file, std::string_view guest_path, unsigned mode);
  Status wait();
  Status drain();
  Status capture();
  Status analyze();
  void judge();

  bool crashed() const { return detector_.state() == crash::State::kCrashed; }
  bool hung() const { return detector_.state() == crash::State::kHung || stuck(); }
  // The agent lives but the load does not: time is up, and nothing was done for long.
  bool stuck() const {
    return detector_.state() == crash::State::kRunning && Clock::now() - worked_at_ > kNoWork;
  }
  void begin(std::string_view phase) {
    watch_ = Stopwatch();
    if (options_.on_phase) options_.on_phase(phase);
  }
  void feed(const vm::Event& event);

  const scenario::Cell& cell_;
  const Payload& payload_;
  const AttemptOptions& options_;

  store::Attempt attempt_;
  std::unique_ptr<vm::Vm> vm_;
  crash::Detector detector_;
  std::string output_;  // of the program
  std::uint64_t work_ = 0;
  Clock::time_point worked_at_ = Clock::now();
  std::vector<oops::Report> reports_;
  std::optional<analyzer::Findings> findings_;
  Stopwatch watch_;
};

Result<store::Attempt> Run::play() {
  const Status status = phases();
  if (!detector_.console().empty()) attempt_.console = "console.log";
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
  RIG_TRY(start());    // vm: a machine that runs the kernel
  RIG_TRY(boot());     // vm: until its agent answers
  RIG_TRY(inject());   // vm: the module and the load are in it
  RIG_TRY(wait());     // crash: crashed, hung, or the load ended
  RIG_TRY(capture());  // crash: the core is on disk
  RIG_TRY(analyze());  // analyzer: findings
  judge();             // verdict: outcome
  return {};
}

Status Run::start() {
  begin("boot");
  vm::VmConfig config;
  config.arch = cell_.arch;
  config.memory_bytes = cell_.scenario->guest.memory_bytes;
  config.cpus = cell_.scenario->guest.cpus;
  for (const scenario::Disk& disk : cell_.scenario->guest.disks) {
    config.disk_bytes.push_back(disk.bytes);
  }
  config.kernel = payload_.kernel.boot_file;
  config.initramfs = payload_.initramfs;
  config.cmdline = payload_.cmdline;
  config.folder = options_.folder;
  config.accelerator = options_.accelerator;
  config.stop = options_.stop;
  RIG_ASSIGN(vm_, options_.start(config));

  const vm::VmDescription description = vm_->describe();
  attempt_.command_line = description.command_line;
  attempt_.accelerator = description.accelerator;
  attempt_.backend_version = description.backend_version;
  if (options_.on_machine) options_.on_machine(description);
  return {};
}

Status Run::boot() {
  const auto limit = cell_.scenario->timeouts.boot;
  RIG_ASSIGN(const auto guest, vm_->wait_for_agent(Deadline::after(limit)));
  attempt_.seconds.boot = watch_.seconds();
  if (guest) return {};
  RIG_TRY(drain());
  const auto reports = oops::parse_reports(detector_.console());
  const std::string why =
      !reports.empty() ? reports.front().title
      : detector_.console().empty()
          ? "it printed nothing at all"
          : fmt::format("its agent was silent for {}", human_seconds(*attempt_.seconds.boot));
  if (!reports.empty()) attempt_.report = reports.front();
  return fail_hint(Blame::kRig,
                   fmt::format("read {}; try without the scenario's cmdline, or a longer "
                               "timeouts.boot than {} s",
                               (options_.folder / "console.log").string(),
                               std::chrono::duration_cast<seconds>(limit).count()),
                   "the kernel {} did not boot: {}", payload_.kernel.release, why);
}

Status Run::send(const fs::path& file, std::string_view guest_path, unsigned mode) {
  return vm_->put_file(file, guest_path, mode, Deadline::after(kInjectTime));
}

Status Run::inject() {
  begin("inject");
  const Deadline deadline = Deadline::after(kInjectTime);
  Status status;
  if (!payload_.module.empty()) {
    const std::string path = "/tmp/" + payload_.module.filename().string();
    RIG_TRY(send(payload_.module, path, 0644));
    status = vm_->load_module(path, payload_.module_params, deadline);
  }
  if (status && !payload_.program.empty()) {
    std::vector<std::string> argv = {"/tmp/" + payload_.program.filename().string()};
    RIG_TRY(send(payload_.program, argv[0], 0755));
    argv.insert(argv.end(), payload_.program_args.begin(), payload_.program_args.end());
    status = vm_->start_program(argv, deadline);
  }
  if (status || status.error().blame != Blame::kKernel) return status;

  // The guest's kernel refused, or died of it: only the latter is a result.
  RIG_TRY(drain());
  if (crashed()) return {};
  return fail(Blame::kRig, "nothing could be injected: {}", status.error().what);
}

void Run::feed(const vm::Event& event) {
  detector_.feed(event);
  if (event.kind == vm::EventKind::kHeartbeat && event.work != work_) {
    work_ = event.work;
    worked_at_ = event.when;
  }
  if (event.kind == vm::EventKind::kProgramOutput && output_.size() < kOutputKept) {
    output_ += event.text;
    if (options_.on_detail) {
      const auto lines = split(trim(event.text), '\n');
      options_.on_detail(lines.back());
    }
  }
}

Status Run::wait() {
  if (crashed()) return {};
  begin("wait");
  worked_at_ = Clock::now();
  const Deadline deadline = Deadline::after(cell_.scenario->timeouts.crash);
  while (detector_.state() == crash::State::kRunning && !deadline.expired()) {
    RIG_ASSIGN(
        const auto event,
        vm_->next_event(deadline.sooner(Deadline::after(detector_.next_tick() - Clock::now()))));
    if (event) {
      feed(*event);
    } else {
      detector_.tick(Clock::now());
    }
  }
  attempt_.seconds.crash = watch_.seconds();
  attempt_.reason = detector_.reason();
  if (detector_.state() == crash::State::kGone) {
    return fail(Blame::kRig, "{}", detector_.reason());
  }
  if (detector_.state() == crash::State::kRunning && !stuck()) {
    return fail_hint(Blame::kRig, "raise timeouts.crash, or lower stress.seconds",
                     "the load neither ended nor crashed the guest within {}",
                     human_seconds(*attempt_.seconds.crash));
  }
  if (const auto code = detector_.program_exit(); code && *code > kLoadSawDamage) {
    return fail_hint(Blame::kRig, "its output is above; docs/SCENARIOS.md has the exit codes",
                     "the load {} ended with {}: {}", payload_.program.filename().string(), *code,
                     trim(output_));
  }
  if (stuck()) attempt_.reason = "the load made no progress";
  return crashed() ? drain() : Status{};
}

// Takes what is still queued, until the guest says nothing more.
Status Run::drain() {
  const Deadline deadline = Deadline::after(seconds(5));
  while (!deadline.expired()) {
    RIG_ASSIGN(const auto event, vm_->next_event(Deadline::after(kQuiet).sooner(deadline)));
    if (!event) return {};
    feed(*event);
  }
  return {};
}

Status Run::capture() {
  if (!crashed() && !hung()) return {};
  begin("capture");
  const auto progress = [&](const Progress& step) {
    if (options_.on_detail && step.fraction) {
      options_.on_detail(fmt::format("{:.0f} %", *step.fraction * 100));
    }
  };
  RIG_ASSIGN(const auto core, crash::capture(*vm_, options_.folder, options_.format, progress,
                                             Deadline::after(kCaptureTime)));
  vm_.reset();
  attempt_.core = core.path.filename().string();
  attempt_.seconds.capture = watch_.seconds();
  return {};
}

Status Run::analyze() {
  reports_ = oops::parse_reports(detector_.console());
  if (attempt_.core.empty()) return {};
  begin("analyze");
  RIG_ASSIGN(findings_, analyzer::analyze(options_.folder / attempt_.core));
  RIG_TRY(write_file_atomically(options_.folder / "findings.json", analyzer::to_json(*findings_)));
  attempt_.findings = "findings.json";
  attempt_.seconds.analyze = watch_.seconds();
  if (reports_.empty()) reports_ = findings_->reports;
  return {};
}

void Run::judge() {
  const bool damage = detector_.program_exit() == kLoadSawDamage;
  verdict::Observation observation;
  observation.crashed = crashed() || damage;
  observation.hung = hung();
  observation.survived = detector_.state() == crash::State::kFinished && !damage;
  if ((crashed() || hung()) && !reports_.empty()) observation.report = reports_.front();
  observation.findings = findings_ ? &*findings_ : nullptr;
  verdict::Judgement judgement = verdict::judge(cell_.expectation(), observation);
  attempt_.outcome = judgement.outcome;
  attempt_.checks = std::move(judgement.checks);
  if (damage) {
    attempt_.checks.insert(attempt_.checks.begin(), {.predicate = "load",
                                                     .expected = "its data is right",
                                                     .found = std::string(trim(output_)),
                                                     .holds = false});
  }
  attempt_.report = observation.report;
}

}  // namespace

Result<store::Attempt> run_attempt(const scenario::Cell& cell, const Payload& payload,
                                   const AttemptOptions& options) {
  return Run(cell, payload, options).play();
}

}  // namespace rig
