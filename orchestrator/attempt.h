// SPDX-License-Identifier: Apache-2.0
// One execution of a cell: a machine is started, the code injected, the end awaited, the core
// taken, analyzed and judged. Whatever goes wrong on the way is the attempt's rig-error.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "payload.h"
#include "scenario/plan.h"
#include "store/record.h"
#include "vm/vm.h"

namespace rig {

struct AttemptOptions {
  std::function<Result<std::unique_ptr<vm::Vm>>(const vm::VmConfig&)> start;  // the backend's
  std::string accelerator = "auto";
  vm::DumpFormat format = vm::DumpFormat::kKdumpZlib;
  fs::path folder;  // exists; console.log, vmcore and findings.json go here
  std::stop_token stop = {};
  std::function<void(const vm::VmDescription&)> on_machine = {};  // once it is started
  std::function<void(std::string_view note)> on_note = {};        // oddities worth a line
  // Tells phases as they begin ("boot", "inject", "wait", "capture", "analyze") and their progress.
  std::function<void(std::string_view phase)> on_phase = {};
  std::function<void(std::string_view detail)> on_detail = {};
};

// Paths in the result are names within options.folder. The only error is Blame::kCancelled.
Result<store::Attempt> run_attempt(const scenario::Cell& cell, const Payload& payload,
                                   const AttemptOptions& options);

}  // namespace rig
