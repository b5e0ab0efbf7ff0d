// SPDX-License-Identifier: Apache-2.0
// Lines that are no reports and say something of the whole log, or of what comes next in it.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace rig::oops {

enum class Effect {
  kSuppressed,    // what follows is a known consequence: of a killed program, of no memory
  kConsoleLost,   // the console was cut: the report that should be there may be missing
  kPanicked,      // the kernel ended itself
  kFirmware,      // firmware or a boot loader begins to run
  kBoot,          // ... and starts the kernel
  kForeignStack,  // a stack follows that is of no report
  kTracesOthers,  // the other CPUs are asked for their stacks
};

struct LogLine {
  std::string_view part;
  std::string_view also;  // stands in the same line, too; may be empty
  Effect effect;
};

std::span<const LogLine> log_lines();
std::optional<Effect> effect_on_log(std::string_view text);

}  // namespace rig::oops
