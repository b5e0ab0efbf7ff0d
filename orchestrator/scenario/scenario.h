// SPDX-License-Identifier: Apache-2.0
// A scenario: what to boot, what to inject, what to expect. Pure data, read from one YAML file.
// The format is described, key by key, in docs/SCENARIOS.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arch.h"
#include "base/error.h"
#include "base/file.h"
#include "scenario/guest.h"
#include "scenario/kernel_spec.h"
#include "scenario/predicates.h"

namespace rig::scenario {

// What is built against the guest's kernel and loaded: a folder of the user's, or a module of the
// kernel's own source, patched or as it is.
struct Module {
  fs::path folder = {};   // with a Kbuild, absolute; empty where it is in the kernel's source
  fs::path in_tree = {};  // "drivers/scsi/megaraid", in the source of the guest's kernel
  std::string name = {};  // of the one to build there: "megaraid_sas"
  std::vector<fs::path> patches = {};  // absolute; made at the top of the source (-p1), in order

  bool empty() const { return folder.empty() && in_tree.empty(); }
  // Where it comes from, for records: the folder, or what of the kernel's source with what patches.
  std::string text() const;
};

// Who takes the core of a guest that crashed.
enum class Capture {
  kQmp,    // the machine, which stops
  kKdump,  // the guest: its kernel boots a capture kernel
  kBoth,   // and the machine, right before that: for comparing
};
struct NamedCapture {
  std::string_view name;
  Capture capture;
};
inline constexpr NamedCapture kCaptures[] = {
    {"qmp", Capture::kQmp}, {"kdump", Capture::kKdump}, {"both", Capture::kBoth}};
constexpr std::string_view to_string(Capture capture) {
  for (const NamedCapture& each : kCaptures) {
    if (each.capture == capture) return each.name;
  }
  return "unknown";
}
inline constexpr unsigned kMaxDumpLevel = 31;

struct Variant {
  std::string name;
  Module module;                              // may be empty
  std::map<std::string, std::string> params;  // of the module
  bool survives = false;                      // `expect: survive`
  bool in_boot = false;                       // `load_at: boot`
  std::vector<std::string> args = {};  // of the load, after those of the scenario and the detector
  // A signature of its own; empty: the detector's. `expect_on` as the detector's.
  Expectation expect = {};
  std::map<std::string, Expectation> expect_on = {};

  bool has_expectation() const { return survives || !expect.empty() || !expect_on.empty(); }
  std::string param_text() const;  // "late_write=1 late_ms=20", as the kernel's loader takes them
};

struct Detector {
  std::string name;
  std::optional<std::string> kernel;         // overrides the scenario's
  std::vector<std::string> cmdline;          // added to the scenario's
  std::vector<std::string> ignored_ok = {};  // names of parameters that may be without effect
  std::optional<Entry> boot = {};            // overrides the scenario's
  std::vector<std::string> stop_at = {};  // reporting functions to stop at; empty: the scenario's
  std::vector<std::string> args = {};     // of the load, after those of the scenario
  std::vector<Arch> arch = {};            // some of the scenario's; empty: all of them
  std::optional<Capture> capture = {};    // overrides the scenario's, as the next
  std::optional<unsigned> dump_level = {};
  Expectation expect;  // of the variants that do not survive
  // Instead of `expect` on these kernels, by name without the ABI ("debian-6.1-kasan"), or on an
  // architecture. Where both are given the kernel's counts.
  std::map<std::string, Expectation> expect_on = {};
};

struct Stress {
  // For guests of each architecture that the scenario has; absolute: ROOT/guest/stress/NAME, which
  // is built with the rig for all of them, or a static program.
  std::map<Arch, fs::path> programs;
  std::vector<std::string> args;
  std::chrono::seconds duration{20};

  // What the program is called with: "--seconds N", then `args`.
  std::vector<std::string> arguments() const;
};

struct Timeouts {
  std::chrono::milliseconds boot{60'000};  // of silence
  // From the start of the stress to the crash. Longer than the stress: its default grows with it.
  std::chrono::milliseconds crash{40'000};
  std::chrono::milliseconds silence{15'000};  // without a heartbeat: a hard hang
  std::chrono::milliseconds no_work{30'000};  // of the load, while the agent goes on: a soft one
};

struct Scenario {
  fs::path file;     // absolute
  std::string text;  // the file's content, as it was read
  std::string name;
  std::string summary;
  std::string origin;
  std::vector<Arch> arch;
  std::string kernel;         // what load_kernel_spec() takes; a path is absolute
  std::optional<Entry> boot;  // how x86_64 guests enter it; absent: as its description says
  Guest guest;
  std::vector<std::string> cmdline;
  std::vector<std::string> ignored_ok;  // names of parameters that may be without effect
  std::vector<std::string> stop_at;     // oops/reporting_functions.h, or "fn:NAME"
  std::optional<Capture> capture;       // absent: qmp
  std::optional<unsigned> dump_level;   // of kdump; absent: all of its bits
  std::vector<Detector> detectors;      // in the file's order, as are the variants
  std::vector<Variant> variants;
  std::optional<Stress> stress;
  unsigned repeat = 1;
  Timeouts timeouts;
};

struct LoadOptions {
  fs::path root = {};  // the repository (or installed share folder) that relative paths start from
  fs::path kernels = {};  // where kernel descriptions are; empty: root/kernels
  // Where CMake puts the host's programs of guest/stress: BUILD/guest/ARCH/stress. Empty: a source
  // is enough.
  fs::path programs = {};
  std::vector<std::string> report_kinds = {};  // oops::known_kinds(); empty: kinds are not checked
  std::vector<std::string> stop_names = {};    // oops::stop_names(); empty: not checked
  std::string any_function = {};               // oops::kAnyFunction; empty: there is no such form
  std::vector<std::string> corruption_kinds = {};  // analyzer::corruption_kinds(); likewise
};

// Errors are Blame::kInput, one line per problem, and read "file:line:column: what is wrong, did
// you mean 'x'?". What the scenario names must exist: kernels, the module's folder, the program.
Result<Scenario> load_scenario(const fs::path& file, const LoadOptions& options);

}  // namespace rig::scenario
