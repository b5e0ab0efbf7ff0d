// SPDX-License-Identifier: Apache-2.0
// From a scenario and the user's selection to the cells to run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "scenario/scenario.h"

namespace rig::scenario {

// What the command line narrows the matrix to. An empty list selects all that the scenario has.
// Paths of kernels start from the working directory.
struct Selection {
  std::vector<std::string> arch = {}, kernel = {}, detector = {}, variant = {};
  std::optional<unsigned> repeat = {};
  std::optional<Capture> capture = {};  // instead of the scenario's and the detectors', as the next
  std::optional<unsigned> dump_level = {};
};

// One point of the matrix arch x kernel x detector x variant.
struct Cell {
  std::shared_ptr<const Scenario> scenario;
  Arch arch = Arch::kX86_64;
  std::string kernel;  // what load_kernel_spec() takes; a path is absolute
  Detector detector;
  Variant variant;
  unsigned repeat = 1;

  std::string name() const;                     // "late-completion/x86_64/debian-6.1/none/faulty"
  std::string kernel_name() const;              // "debian-6.1", never a path: unique within a plan
  std::vector<std::string> cmdline() const;     // scenario's, then the detector's
  std::vector<std::string> ignored_ok() const;  // names of those that may be without effect
  std::optional<Entry> boot() const;            // the detector's, else the scenario's
  Capture capture() const;                      // likewise, as the next
  unsigned dump_level() const;
  std::vector<std::string> stop_at() const;  // the detector's, else the scenario's
  // What the load is called with; empty without one.
  std::vector<std::string> load_arguments() const;
  Expectation expectation() const;
};

// Errors: a selected name that the scenario does not have (with the nearest valid one), a kernel's
// path that leads nowhere, two kernels of one name.
Result<std::vector<Cell>> plan(std::shared_ptr<const Scenario> scenario,
                               const Selection& selection);

}  // namespace rig::scenario
