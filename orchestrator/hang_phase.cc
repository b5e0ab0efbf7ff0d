// SPDX-License-Identifier: Apache-2.0
#include "hang_phase.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/text.h"
#include "crash/bounded_console.h"
#include "crash/report_sense.h"
#include "image/boot_image.h"
#include "oops/report.h"
#include "scenario/guest.h"

namespace rig {
namespace {

constexpr auto kAskTime = std::chrono::seconds(30);  // for a request of the agent
// A kernel that panics in an NMI prints nothing until its other CPUs have stopped, or a million
// times udelay(1) is over (arch/x86/kernel/smp.c: native_stop_other_cpus()): seconds under TCG.
constexpr auto kNmiSilence = std::chrono::seconds(10);
constexpr auto kNmiRemark = std::chrono::seconds(2);  // for a kernel that only remarks on it
constexpr auto kNmiQuiet = std::chrono::seconds(3);   // once it has begun
constexpr auto kNmiTime = std::chrono::seconds(30);   // all that is listened to

// The guest runs again, with nobody left to save its memory for.
class Listener {
 public:
  Listener(vm::Vm& machine, const crash::Pace& pace, Duration silence)
      : machine_(machine),
        pace_(pace),
        silence_(silence),
        end_(Deadline::after(pace.scaled(kNmiTime))) {}

  Status listen() {
    RIG_TRY(machine_.resume(end_));
    auto quiet = Deadline::after(pace_.scaled(silence_));
    while (!end_.expired()) {
      RIG_ASSIGN(const auto event, machine_.next_event(quiet.sooner(end_)));
      if (!event) break;
      if (event->kind == vm::EventKind::kHeartbeat) continue;
      RIG_ASSIGN(const bool goes_on, take(*event));
      if (!goes_on) break;
      quiet = Deadline::after(pace_.scaled(kNmiQuiet));
    }
    return {};
  }

  std::string text() const { return crash::kernels_lines(console_.text()); }

 private:
  // Does it go on after that?
  Result<bool> take(const vm::Event& event) {
    switch (event.kind) {
      case vm::EventKind::kConsoleLine:
        console_.add_line(event.text);
        return true;
      case vm::EventKind::kBreakpoint:
        RIG_TRY(machine_.remove_breakpoint(event.address, end_));
        [[fallthrough]];
      case vm::EventKind::kStopped:
        // In its panic: what it said within the NMI is printed after the panic is told (pvpanic).
        RIG_TRY(machine_.resume(end_));
        return true;
      case vm::EventKind::kReset:
      case vm::EventKind::kPoweredOff:
      case vm::EventKind::kBackendExited:
        return false;
      default:
        return true;
    }
  }

  vm::Vm& machine_;
  const crash::Pace& pace_;
  Duration silence_;  // until its first word
  Deadline end_;
  crash::BoundedConsole console_;
};

// What a stopped guest had said before is no answer.
Status forget_queued(vm::Vm& machine) {
  while (true) {
    const auto event = machine.next_event(Deadline::after({}));
    if (!event && event.error().blame == Blame::kCancelled) return tl::unexpected(event.error());
    if (!event || !*event) return {};
  }
}

store::NmiAnswer answer_of(const std::string& text) {
  store::NmiAnswer answer;
  const std::string_view words = trim(text);
  answer.said = printable(words.substr(0, words.find('\n')));
  answer.report = oops::cause(oops::parse_reports(text));
  return answer;
}

}  // namespace

Result<std::chrono::seconds> arm_watchdog(vm::Vm& machine, std::chrono::seconds time,
                                          const crash::Pace& pace) {
  const auto wanted =
      std::min(std::chrono::ceil<std::chrono::seconds>(pace.scaled(time)), scenario::kMaxWatchdog);
  auto armed = machine.arm_watchdog(wanted, Deadline::after(kAskTime));
  if (armed || armed.error().blame == Blame::kCancelled) return armed;
  return fail_hint(Blame::kRig, "is the driver in this kernel, and the device in the machine?",
                   "the guest has no watchdog of {}: {}", image::kWatchdogDriver,
                   armed.error().what);
}

Status ask_by_nmi(vm::Vm& machine, const crash::Pace& pace, store::Hang& hang, bool panics) {
  if (hang.kind != HangKind::kHard) return {};
  RIG_TRY(forget_queued(machine));
  const auto sent = machine.inject_nmi(Deadline::after(kAskTime));
  if (!sent && sent.error().blame == Blame::kCancelled) return tl::unexpected(sent.error());
  if (!sent || !*sent) {
    spdlog::debug("no NMI: {}", sent ? "this machine has none" : sent.error().what);
    return {};
  }
  Listener listener(machine, pace, panics ? kNmiSilence : kNmiRemark);
  const Status heard = listener.listen();
  if (!heard && heard.error().blame == Blame::kCancelled) return heard;
  if (!heard) spdlog::debug("after an NMI: {}", heard.error().what);
  hang.nmi = answer_of(listener.text());
  return {};
}

}  // namespace rig
