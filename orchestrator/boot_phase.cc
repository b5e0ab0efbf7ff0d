// SPDX-License-Identifier: Apache-2.0
#include "boot_phase.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "crash/pace.h"

namespace rig {
namespace {

constexpr auto kLook = std::chrono::milliseconds(500);  // at least so often

std::string in_words(Clock::duration time) {
  return human_seconds(std::chrono::duration<double>(time).count());
}

BootEnd give_up(const crash::BootWatch& watch, Clock::time_point start, Clock::time_point now) {
  if (watch.at(now) == crash::BootWatch::State::kSlow) {
    return {.why = fmt::format("it still boots after {}", in_words(now - start))};
  }
  return {.silent = true,
          .why = fmt::format("its agent was silent for {}, its console for {}",
                             in_words(now - start), in_words(watch.silence(now)))};
}

}  // namespace

Result<BootEnd> await_boot(vm::Vm& machine, crash::Detector& detector, Clock::time_point start,
                           Clock::duration limit,
                           const std::function<Status(const vm::Event&)>& take) {
  crash::BootWatch watch(start, limit);
  while (true) {
    RIG_ASSIGN(auto guest, machine.wait_for_agent(Deadline::after({})));
    if (guest) return BootEnd{.guest = std::move(guest)};
    const auto now = Clock::now();
    if (detector.tick(now) != crash::State::kRunning) return BootEnd{};
    if (watch.at(now) != crash::BootWatch::State::kWaiting) return give_up(watch, start, now);
    const auto step = std::min({watch.next(), detector.next_tick(), now + kLook});
    RIG_ASSIGN(const auto event, machine.next_event(Deadline::after(step - now)));
    if (!event) continue;
    if (event->kind == vm::EventKind::kConsoleLine) watch.moved(event->when);
    RIG_TRY(take(*event));
  }
}

Error boot_error(std::string_view release, std::string_view why, const fs::path& console_log,
                 std::chrono::milliseconds limit) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
  return fail_hint(Blame::kRig,
                   fmt::format("read {}; try without the scenario's cmdline, or a longer "
                               "timeouts.boot than {} s",
                               console_log.string(), seconds),
                   "the kernel {} did not boot: {}", release, why)
      .value();
}

std::string last_console_line(std::string_view console) {
  constexpr std::size_t kQuoted = 160;
  const std::string_view text = trim(console);
  return printable(text.substr(text.rfind('\n') + 1)).substr(0, kQuoted);  // npos + 1 is 0
}

std::string cpu_words(const analyzer::Findings& findings) {
  constexpr std::size_t kCpus = 4, kFrames = 3;
  std::vector<std::string> words;
  for (const analyzer::CpuFacts& cpu : findings.cpus) {
    if (words.size() == kCpus) break;
    std::vector<std::string> functions;
    for (const analyzer::BacktraceFrame& frame : cpu.backtrace.frames) {
      if (functions.size() < kFrames) functions.push_back(frame.at.function);
    }
    words.push_back(
        fmt::format("CPU {} ({}): {}", cpu.index, cpu.comm, fmt::join(functions, " < ")));
  }
  if (findings.system.uptime) {
    words.push_back(
        fmt::format("by its own clock it ran for {}", human_seconds(*findings.system.uptime)));
  }
  return fmt::format("{}", fmt::join(words, "; "));
}

}  // namespace rig
