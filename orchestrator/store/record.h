// SPDX-License-Identifier: Apache-2.0
// What a run leaves on disk: results/<run>/, one folder per attempt, the manifest last. A folder
// without manifest.json was cut short. run_folder.h writes and reads it, record_json.h has the
// schema.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/findings.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hang.h"
#include "cmdline/effect.h"
#include "oops/report.h"
#include "verdict/verdict.h"

namespace rig::store {

struct PhaseSeconds {
  std::optional<double> boot, crash, capture, analyze;
};

// Where a scenario's `stop_at` stopped the guest first: the attempt's core was taken there, before
// anything was printed or repaired.
struct FirstStop {
  std::string function;  // "slab_bug"
  std::uint64_t address = 0;
  unsigned cpu = 0;
  double seconds = 0;              // since the injection began
  std::vector<std::string> later;  // functions that the guest reached when it had been let go on
};

// What the kernel said to an NMI that was sent to the hung guest, when its core had been taken: of
// the NMI's making, and no cause of the hang.
struct NmiAnswer {
  std::string said;                    // its first line; empty: nothing came out
  std::optional<oops::Report> report;  // a panic, where the kernel is told to (unknown_nmi_panic)
};

// A guest that went on no more.
struct Hang {
  HangKind kind = HangKind::kHard;
  double slowness = 1;    // by which the waits were longer than on a machine as fast as expected
  std::string last_line;  // of the console
  std::optional<NmiAnswer> nmi = {};  // of a hard hang, where the machine has NMIs
};

struct Attempt {
  verdict::Outcome outcome = verdict::Outcome::kRigError;
  PhaseSeconds seconds;
  // Of a load that counts its work (kWorkFdVariable): how much, and how fast.
  std::optional<std::uint64_t> work;
  std::optional<double> work_per_second;
  std::optional<std::chrono::seconds> watchdog;  // of the guest: what its driver set it to
  std::optional<FirstStop> stopped;
  std::optional<Hang> hang;
  std::optional<oops::Report> report;
  std::optional<analyzer::Finding> finding;  // the judgement's first, of the core
  std::vector<verdict::Check> checks;
  std::string error;   // of the rig, with its hint; empty unless rig-error
  std::string reason;  // how it ended: "guest panicked"
  // The errors of the tries before this one, which the rig itself failed; see --retries.
  std::vector<std::string> retried;
  std::string core;         // path, relative to the run's folder; empty when not kept
  std::string captured_by;  // "qmp", "kdump"; empty without a core
  // Of `capture: both`: the machine's core beside kdump's, and how their findings differ.
  std::string machine_core;
  std::vector<std::string> core_differences;
  std::string core_format;   // as `crashrig run --format` calls it: "kdump-zlib"
  std::string findings;      // path of findings.json, relative; empty when there is none
  std::string console;       // path of console.log, relative
  std::string command_line;  // of the VM
  std::string accelerator;
  std::string backend_version;
};

struct CellRecord {
  std::string scenario, arch, kernel, detector, variant;  // kernel: Cell::kernel_name()
  std::string kernel_release, kernel_package, kernel_version, cmdline;
  std::string boot;  // how the kernel was entered: "direct", "kaslr"; "image" on arm64
  std::string
      module_file;  // name of the module that was loaded: "late_completion.ko"; may be empty
  std::string module_sha256;                // of that file, as sha256sum prints it
  std::vector<cmdline::Effect> parameters;  // the scenario's, and what became of them in the guest
  std::vector<std::string> ignored_ok;      // names of those that may be without effect
  std::string not_checked;                  // why `parameters` is empty although there are some
  verdict::Verdict verdict = verdict::Verdict::kError;
  std::vector<Attempt> attempts;
};

struct RunRecord {
  std::string run;  // "20261121-083012-late-completion"
  bool ok = false;  // every cell's verdict is pass
  std::vector<CellRecord> cells;
};

}  // namespace rig::store
