// SPDX-License-Identifier: Apache-2.0
// From a machine that was started to its agent's hello, or to why there is none.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "analyzer/findings.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/file.h"
#include "crash/detector.h"
#include "vm/vm.h"

namespace rig {

struct BootEnd {
  std::optional<vm::GuestInfo> guest = {};  // nothing: the detector knows why, or `why` says it
  bool silent = false;                      // given up, because the console has stopped
  std::string why = {};                     // it was given up
};

// `limit`: how long the console may be silent (crash::BootWatch). Every event is handed to `take`,
// which feeds the detector.
Result<BootEnd> await_boot(vm::Vm& machine, crash::Detector& detector, Clock::time_point start,
                           Clock::duration limit,
                           const std::function<Status(const vm::Event&)>& take);

// Of the rig: the kernel of this release did not boot, and why, with what to try.
Error boot_error(std::string_view release, std::string_view why, const fs::path& console_log,
                 std::chrono::milliseconds limit);

// The console's last line with text in it, for a message.
std::string last_console_line(std::string_view console);
// "CPU 0 (swapper/0): native_safe_halt < default_idle; CPU 1 ...", some of each; and how far the
// guest's own clock has come: one that stands still was not only silent.
std::string cpu_words(const analyzer::Findings& findings);

}  // namespace rig
