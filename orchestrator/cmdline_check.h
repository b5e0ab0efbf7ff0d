// SPDX-License-Identifier: Apache-2.0
// Between image and attempts: each distinct command line of a run is booted once and looked at in
// the guest. The answer is remembered under the cache, by all that it depends on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attempt.h"
#include "cmdline/effect.h"
#include "scenario/plan.h"
#include "vm/vm.h"

namespace rig {

struct CmdlineCheckOptions {
  std::function<Result<std::unique_ptr<vm::Vm>>(const vm::VmConfig&)> start;  // the backend's
  std::function<Result<std::string>(const vm::VmConfig&)> identify;           // the backend's
  std::string accelerator = "auto";
  fs::path cache;  // folder for the remembered answers; made if missing
  std::stop_token stop = {};
  std::function<void(std::string_view step)> on_step = {};  // "" at the end
  std::function<void(std::string_view note)> on_note = {};
};

// What became of a cell's own parameters (not of the rig's).
struct CheckedCmdline {
  std::vector<cmdline::Effect> effects;
  std::string not_checked;  // why there are no effects: the guest did not boot; else empty
};

// One per cell. A parameter that is unknown to the kernel or without effect, and not declared
// ignored_ok, is Blame::kInput, and the error names all of them. A guest that cannot be looked at
// is no error: its attempts will tell.
Result<std::vector<CheckedCmdline>> check_cmdlines(const std::vector<scenario::Cell>& cells,
                                                   const std::vector<Payload>& payloads,
                                                   const CmdlineCheckOptions& options);

}  // namespace rig
