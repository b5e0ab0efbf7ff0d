// SPDX-License-Identifier: Apache-2.0
#include "oops/report_log.h"

#include <algorithm>

namespace rig::oops {
namespace {

constexpr LogLine kLines[] = {
    // The fuzzer or the way to it died for lack of memory.
    {"Out of memory: Kill", "(syz-executor)", Effect::kSuppressed},
    {"Out of memory: Kill", "(syz-fuzzer)", Effect::kSuppressed},
    {"Out of memory: Kill", "(sshd)", Effect::kSuppressed},
    {"Killed process ", "(syz-executor)", Effect::kSuppressed},
    {"Killed process ", "(syz-fuzzer)", Effect::kSuppressed},
    {"Killed process ", "(sshd)", Effect::kSuppressed},
    {"lowmemorykiller: Killing '", "syz-", Effect::kSuppressed},
    {"lowmemorykiller: Killing 'sshd'", "", Effect::kSuppressed},
    {"fatal error: runtime: out of memory", "", Effect::kSuppressed},
    {"fatal error: runtime: cannot allocate memory", "", Effect::kSuppressed},
    {"fatal error: out of memory", "", Effect::kSuppressed},
    {"fatal error: newosproc", "", Effect::kSuppressed},
    {"fatal error: unexpected signal during runtime", "", Effect::kSuppressed},
    {"panic: ", "cannot allocate memory", Effect::kSuppressed},
    {"panic: failed to start executor binary", "", Effect::kSuppressed},
    {"panic: executor failed: pthread_create failed", "", Effect::kSuppressed},
    {"panic: failed to create temp dir", "", Effect::kSuppressed},
    {"signal SIGBUS: bus error", "", Effect::kSuppressed},
    {"SYZFAIL: SIGBUS", "", Effect::kSuppressed},
    // Programs of the system crashed, init among them: their files or memory are damaged.
    {"INIT: PANIC: segmentation violation!", "", Effect::kSuppressed},
    {"*** stack smashing detected ***: terminated", "", Effect::kSuppressed},
    {"serialport: VM disconnected.", "", Effect::kConsoleLost},
    {"Kernel panic - not syncing", "", Effect::kPanicked},
    {"vmalloc: allocation failure:", "", Effect::kForeignStack},
    {"FAULT_INJECTION: forcing a failure", "", Effect::kForeignStack},
    {"FAULT_FLAG_ALLOW_RETRY missing", "", Effect::kForeignStack},
    {"Sending NMI from CPU", "", Effect::kTracesOthers},
    {"SeaBIOS (version", "", Effect::kFirmware},
    {"early console in ", "", Effect::kFirmware},
    {"Decompressing Linux", "", Effect::kFirmware},
    {"Booting the kernel.", "", Effect::kBoot},
};

}  // namespace

std::span<const LogLine> log_lines() {
  return kLines;
}

std::optional<Effect> effect_on_log(std::string_view text) {
  const auto* row = std::ranges::find_if(kLines, [&](const LogLine& line) {
    const std::size_t at = text.find(line.part);
    return at != std::string_view::npos && text.find(line.also, at) != std::string_view::npos;
  });
  if (row == std::end(kLines)) return std::nullopt;
  return row->effect;
}

}  // namespace rig::oops
