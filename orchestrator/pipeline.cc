// SPDX-License-Identifier: Apache-2.0
#include "pipeline.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "attempt.h"
#include "base/text.h"
#include "cmdline_check.h"
#include "image/boot_image.h"
#include "kdump_phase.h"
#include "machine_config.h"
#include "scenario/kernel_spec.h"
#include "store/run_folder.h"

namespace rig {
namespace {

void append(std::vector<std::string>& words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
}

// Module names are the same with '-' and '_'.
void remove_driver(std::string_view name, std::vector<std::string>& drivers) {
  std::erase_if(drivers, [&, wanted = with_underscores(name)](const std::string& driver) {
    return with_underscores(driver) == wanted;
  });
}

// image: what the cell's attempts boot and inject. Cheap when the caches have it.
Result<Payload> prepare(const scenario::Cell& cell, const PipelineOptions& options, bool refresh,
                        publish::LiveView& view) {
  const image::FetchOptions fetch{[&](const Progress& progress) { view.step(progress); },
                                  options.stop, refresh,
                                  [&](std::string_view warning) { view.note(warning); }};
  // Also refuses an architecture that the backend has no machine for, before anything is fetched.
  RIG_ASSIGN(const auto console, vm::console_device(options.backend, cell.arch));
  RIG_ASSIGN(const auto panic, vm::panic_parameter(options.backend));
  // What the scenario asks of the machine must be there before anything is fetched or built for it.
  RIG_ASSIGN(const auto notes,
             vm::check(options.backend, machine_config(cell, options.accelerator, options.stop)));
  for (const std::string& note : notes) view.note(fmt::format("{}: {}", cell.name(), note));
  RIG_ASSIGN(auto spec, scenario::load_kernel_spec(cell.kernel, options.layout.root / "kernels"));
  spec.entry = cell.boot().value_or(spec.entry);
  Payload payload;
  RIG_ASSIGN(payload.kernel, image::fetch_kernel(spec, cell.arch, fetch));

  RIG_ASSIGN(const fs::path agent, options.layout.agent(cell.arch));
  image::InitramfsSpec initramfs{agent, image::base_drivers(cell.arch)};
  payload.drivers = image::device_drivers(cell.scenario->guest, cell.arch);
  append(payload.drivers, cell.scenario->guest.drivers);
  std::vector<std::string> needed;  // by the module
  if (!cell.variant.module.empty()) {
    RIG_ASSIGN(payload.module,
               image::build_module(payload.kernel, spec, cell.variant.module, fetch));
    RIG_ASSIGN(needed, image::module_depends(payload.module));
    // It takes the place of the kernel's own driver of its name.
    remove_driver(payload.module.stem().string(), payload.drivers);
    payload.module_params = cell.variant.param_text();
    RIG_ASSIGN(payload.module_sha256, image::file_sha256(payload.module));
  }
  if (cell.variant.in_boot) {
    payload.module_in_boot = true;
    initramfs.module = payload.module;
    initramfs.module_params = payload.module_params;
  }
  append(initramfs.drivers, payload.drivers);
  append(initramfs.drivers, needed);
  std::string reserved;
  if (cell.capture() != scenario::Capture::kQmp) {
    RIG_ASSIGN(payload.kdump, plan_kdump(cell, payload.kernel, {agent, console, panic}, initramfs));
    reserved = crash_reservation(cell);
  }
  RIG_ASSIGN(payload.initramfs, image::build_initramfs(payload.kernel, initramfs));
  // What the attempt is about must have been loaded.
  if (payload.module_in_boot) payload.drivers.push_back(payload.module.stem().string());
  // Of every guest: messages on the serial port; a panic stops at once with its memory intact; the
  // crypto API does not test itself in each boot (0.3 s under TCG, docs/BOOT-TIME.md).
  payload.cmdline = fmt::format("console={} {} cryptomgr.notests=1 ", console, panic);
  // On a busy host ticks come late, and the kernel would panic: "IO-APIC + timer doesn't work!".
  // Guests that know their hypervisor (KVM, Hyper-V, VMware) switch that check off themselves.
  if (cell.arch == Arch::kX86_64) payload.cmdline += "no_timer_check ";
  payload.cmdline += reserved;
  payload.cmdline += fmt::format("{}", fmt::join(cell.cmdline(), " "));
  if (const auto& stress = cell.scenario->stress) {
    RIG_ASSIGN(payload.program,
               options.layout.stress_program(stress->programs.at(cell.arch), cell.arch));
    payload.program_args = cell.load_arguments();
  }
  return payload;
}

// The names of its files, whatever they are relative to.
std::array<std::string*, 4> files_of(store::Attempt& attempt) {
  return {&attempt.core, &attempt.machine_core, &attempt.findings, &attempt.console};
}

// As `boot:` calls it. Not always what was asked for: a kernel without CONFIG_PVH has one way in.
std::string_view way_in(const image::Kernel& kernel) {
  if (kernel.arch != Arch::kX86_64) return "image";
  return kernel.boot_file == kernel.vmlinuz ? "kaslr" : "direct";
}

store::CellRecord describe(const scenario::Cell& cell, const Payload& payload) {
  store::CellRecord record;
  record.scenario = cell.scenario->name;
  record.arch = to_string(cell.arch);
  record.kernel = cell.kernel_name();
  record.detector = cell.detector.name;
  record.variant = cell.variant.name;
  record.kernel_release = payload.kernel.release;
  record.kernel_package = payload.kernel.package;
  record.kernel_version = payload.kernel.version;
  record.boot = way_in(payload.kernel);
  record.cmdline = payload.cmdline;
  record.module_file = payload.module.filename();
  record.module_sha256 = payload.module_sha256;
  record.attempts.resize(cell.repeat);
  return record;
}

verdict::Outcome wanted(const scenario::Cell& cell) {
  return cell.expectation().survive ? verdict::Outcome::kSurvived
                                    : verdict::Outcome::kExpectedCrash;
}

// cmdline: each command line must have taken effect in a guest, or there is no run.
Status check_command_lines(const std::vector<scenario::Cell>& cells,
                           const std::vector<Payload>& payloads, const PipelineOptions& options,
                           publish::LiveView& view, store::RunRecord& record) {
  RIG_ASSIGN(const fs::path cache, cache_dir());
  CmdlineCheckOptions check;
  check.start = [&](const vm::VmConfig& config) { return vm::start(options.backend, config); };
  check.identify = [&](const vm::VmConfig& config) {
    return vm::identify(options.backend, config);
  };
  check.accelerator = options.accelerator;
  check.cache = cache / "cmdline";
  check.stop = options.stop;
  check.on_step = [&](std::string_view step) { view.step({std::string(step), {}, {}}); };
  check.on_note = [&](std::string_view note) { view.note(note); };
  RIG_ASSIGN(auto checked, rig::check_cmdlines(cells, payloads, check));
  for (std::size_t i = 0; i < checked.size(); ++i) {
    record.cells[i].parameters = std::move(checked[i].effects);
    record.cells[i].ignored_ok = cells[i].ignored_ok();
    record.cells[i].not_checked = std::move(checked[i].not_checked);
  }
  return {};
}

// The attempts of a run, taken one after another by as many threads as the user allowed.
class Attempts {
 public:
  Attempts(const std::vector<scenario::Cell>& cells, const std::vector<Payload>& payloads,
           const PipelineOptions& options, publish::LiveView& view, store::RunFolder& store,
           store::RunRecord& record)
      : cells_(cells),
        payloads_(payloads),
        options_(options),
        view_(view),
        store_(store),
        record_(record) {
    for (std::size_t cell = 0; cell < cells.size(); ++cell) {
      for (unsigned attempt = 0; attempt < cells[cell].repeat; ++attempt) {
        todo_.emplace_back(cell, attempt);
      }
    }
    finished_.resize(todo_.size());
    hopeless_.resize(cells.size());
  }

  Status run() {
    std::vector<std::jthread> workers;
    const std::size_t count = std::min<std::size_t>(options_.jobs, todo_.size());
    for (std::size_t i = 0; i < count; ++i) workers.emplace_back([this] { work(); });
    workers.clear();  // joins
    return std::move(first_error_);
  }

  // After a run that was given up: leaves only finished attempts in the record, and counts them.
  std::size_t keep_finished();
  std::size_t count() const { return todo_.size(); }

 private:
  void work() {
    while (const auto next = take()) {
      const Status status = guarded_run_one(*next);
      const std::scoped_lock lock(mutex_);
      if (!status && first_error_) first_error_ = status;
    }
  }

  // The index of the next attempt; nothing when there is none or one had to be given up.
  std::optional<unsigned> take() {
    const std::scoped_lock lock(mutex_);
    if (next_ == todo_.size() || !first_error_) return std::nullopt;
    return next_++;
  }

  Status run_one(unsigned index);
  Result<store::Attempt> try_until_judged(std::size_t cell_index, const AttemptOptions& first);

  // An exception in one thread must not take the other attempts with it.
  Status guarded_run_one(unsigned index) {
    try {
      return run_one(index);
    } catch (const std::exception& error) {
      return fail(Blame::kRig, "attempt {}: unexpected: {}", index + 1, error.what());
    }
  }

  // What the guests run on, told once.
  void note_machine(const vm::VmDescription& machine) {
    std::call_once(machine_noted_, [&] {
      view_.note(fmt::format("guests run on {} {}, {}: {}", machine.backend,
                             machine.backend_version, machine.accelerator,
                             machine.accelerator_reason));
    });
  }

  const std::vector<scenario::Cell>& cells_;
  const std::vector<Payload>& payloads_;
  const PipelineOptions& options_;
  publish::LiveView& view_;
  store::RunFolder& store_;
  store::RunRecord& record_;
  std::vector<std::pair<std::size_t, unsigned>> todo_;
  std::vector<bool> finished_;
  std::vector<bool> hopeless_;  // cells whose retries the rig failed, too
  unsigned next_ = 0;
  Status first_error_;
  std::once_flag machine_noted_;
  std::mutex mutex_;
};

Status Attempts::run_one(unsigned index) {
  const auto [cell_index, number] = todo_[index];
  const scenario::Cell& cell = cells_[cell_index];
  const unsigned id = index + 1;
  const std::string count = fmt::format("{}/{}", id, todo_.size());
  const Stopwatch watch;
  RIG_ASSIGN(const fs::path folder, store_.open_attempt(cell, number + 1));

  AttemptOptions options;
  options.start = [&](const vm::VmConfig& config) { return vm::start(options_.backend, config); };
  options.accelerator = options_.accelerator;
  options.format = options_.format;
  options.folder = folder;
  options.stop = options_.stop;
  options.on_machine = [&](const vm::VmDescription& machine) { note_machine(machine); };
  options.on_note = [&](std::string_view note) {
    view_.note(fmt::format("{}: {}", cell.name(), note));
  };
  options.on_phase = [&](std::string_view phase) { view_.phase(id, count, cell.name(), phase); };
  options.on_detail = [&](std::string_view detail) { view_.detail(id, detail); };
  RIG_ASSIGN(store::Attempt attempt, try_until_judged(cell_index, options));

  // The core of what was expected is no news, and large.
  if (attempt.outcome == verdict::Outcome::kExpectedCrash && !options_.keep_core) {
    std::error_code ignored;
    for (std::string* core : {&attempt.core, &attempt.machine_core}) {
      if (!core->empty()) fs::remove(*core, ignored);
      core->clear();
    }
  }
  for (std::string* file : files_of(attempt)) {
    if (!file->empty()) *file = store_.relative(*file);
  }
  const bool good = attempt.outcome == wanted(cell);
  const std::string& why = attempt.error.empty() ? attempt.reason : attempt.error;
  view_.done(id, attempt.outcome, good, watch.seconds(), why);
  RIG_TRY(store_.close_attempt(cell, record_.cells[cell_index], number + 1, attempt));
  const std::scoped_lock lock(mutex_);
  record_.cells[cell_index].attempts[number] = std::move(attempt);
  finished_[index] = true;
  return {};
}

// A fault of the rig costs an attempt another try, in a folder of its own, until the cell turns out
// to be hopeless. Files in the result are whole paths.
Result<store::Attempt> Attempts::try_until_judged(std::size_t cell_index,
                                                  const AttemptOptions& first) {
  const scenario::Cell& cell = cells_[cell_index];
  AttemptOptions options = first;
  std::vector<std::string> errors;
  while (true) {
    RIG_ASSIGN(store::Attempt attempt, run_attempt(cell, payloads_[cell_index], options));
    for (std::string* file : files_of(attempt)) {
      if (!file->empty()) *file = options.folder / *file;
    }
    attempt.retried = errors;
    if (attempt.outcome != verdict::Outcome::kRigError) return attempt;
    {
      const std::scoped_lock lock(mutex_);
      if (errors.size() == options_.retries) hopeless_[cell_index] = true;
      if (hopeless_[cell_index]) return attempt;
    }
    view_.note(fmt::format("{}: tried again, because the rig failed: {}", cell.name(),
                           split(attempt.error, '\n').front()));
    errors.push_back(attempt.error);
    options.folder = first.folder / fmt::format("retry-{}", errors.size());
    std::error_code error;
    fs::create_directories(options.folder, error);
    if (error) return attempt;
  }
}

std::size_t Attempts::keep_finished() {
  std::vector<std::vector<store::Attempt>> kept(record_.cells.size());
  for (std::size_t i = 0; i < todo_.size(); ++i) {
    const auto [cell, number] = todo_[i];
    if (finished_[i]) kept[cell].push_back(std::move(record_.cells[cell].attempts[number]));
  }
  for (std::size_t cell = 0; cell < kept.size(); ++cell) {
    record_.cells[cell].attempts = std::move(kept[cell]);
  }
  return static_cast<std::size_t>(std::count(finished_.begin(), finished_.end(), true));
}

// verdict: of every cell, and of the run.
void conclude(const std::vector<scenario::Cell>& cells, store::RunRecord& record) {
  record.ok = true;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    std::vector<verdict::Outcome> outcomes;
    for (const auto& attempt : record.cells[i].attempts) outcomes.push_back(attempt.outcome);
    record.cells[i].verdict = verdict::cell_verdict(cells[i].expectation(), outcomes);
    record.ok = record.ok && record.cells[i].verdict == verdict::Verdict::kPass &&
                record.cells[i].attempts.size() == cells[i].repeat;
  }
}

}  // namespace

Result<store::RunRecord> run_cells(const std::vector<scenario::Cell>& cells,
                                   const PipelineOptions& options, publish::LiveView& view) {
  store::RunRecord record;
  std::vector<Payload> payloads;
  std::set<std::pair<std::string, Arch>> refreshed;
  for (const scenario::Cell& cell : cells) {
    const bool refresh = options.refresh && refreshed.emplace(cell.kernel, cell.arch).second;
    RIG_ASSIGN(Payload payload, prepare(cell, options, refresh, view));  // image
    record.cells.push_back(describe(cell, payload));
    payloads.push_back(std::move(payload));
  }
  RIG_TRY(check_command_lines(cells, payloads, options, view, record));  // cmdline
  RIG_ASSIGN(auto store, store::RunFolder::create(options.results, cells.front().scenario->name));
  record.run = store.run();
  Attempts attempts(cells, payloads, options, view, store, record);
  const Status status = attempts.run();  // vm ... analyzer
  const std::size_t finished = status ? attempts.count() : attempts.keep_finished();
  conclude(cells, record);  // verdict
  if (!status && finished == 0) {
    std::error_code ignored;
    fs::remove_all(store.path(), ignored);
    return tl::unexpected(status.error());
  }
  RIG_TRY(store.finish(record));  // store
  if (!status) {
    view.note(fmt::format("stopped after {} of {} attempts; their records: {}", finished,
                          attempts.count(), store.path().string()));
    return tl::unexpected(status.error());
  }
  return record;
}

}  // namespace rig
