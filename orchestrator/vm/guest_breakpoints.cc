// SPDX-License-Identifier: Apache-2.0
// GuestVm's breakpoints, through QEMU's gdbstub.
#include "vm/guest_vm.h"

namespace rig::vm {

// QEMU's run state is "debug" now. Which breakpoint it is, only the CPU knows.
void GuestVm::on_breakpoint(unsigned cpu) {
  guest_ = Guest::kBreakpoint;
  stopping_ = false;
  debugger_->locate(config_.arch, cpu, [this, cpu](Result<std::uint64_t> at) {
    if (!at) return;  // check_debugger() or the end of QEMU tells
    push({.kind = EventKind::kBreakpoint, .address = VirtAddr{*at}, .cpu = cpu});
  });
}

Status GuestVm::check_debugger() const {
  if (!debugger_ || !debugger_->broken()) return {};
  return fail(Blame::kRig, "QEMU's gdbstub: {}", *debugger_->broken());
}

Status GuestVm::set_breakpoints(std::span<const VirtAddr> addresses, Deadline deadline) {
  if (!debugger_) return fail(Blame::kRig, "the machine was started without breakpoints");
  const bool ran = guest_ == Guest::kRunning;
  RIG_TRY(stop(deadline));
  for (const VirtAddr address : addresses) {
    RIG_ASSIGN(const bool set, debugger_->insert(raw(address), deadline, config_.stop));
    if (set) continue;
    if (description_.accelerator != "kvm") {
      return fail(Blame::kRig, "QEMU sets no breakpoint at {}", address);
    }
    return fail_hint(Blame::kInput, "name fewer functions in stop_at, or run it with --accel tcg",
                     "KVM has not enough hardware breakpoints for {} (4 on x86_64)",
                     addresses.size());
  }
  // One of them may have been hit before our own stop.
  return ran && guest_ == Guest::kHalted ? resume(deadline) : Status();
}

Status GuestVm::remove_breakpoint(VirtAddr address, Deadline deadline) {
  if (!debugger_) return fail(Blame::kRig, "the machine was started without breakpoints");
  return debugger_->remove(raw(address), deadline, config_.stop);
}

}  // namespace rig::vm
