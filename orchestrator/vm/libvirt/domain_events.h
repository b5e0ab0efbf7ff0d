// SPDX-License-Identifier: Apache-2.0
// libvirt's events of one domain, as what they mean for its guest.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "vm/libvirt/handles.h"

namespace rig::vm::libvirt {

enum class Notice {
  kStopped,     // the vCPUs stopped; why, QEMU knows ("query-status")
  kPanicked,    // the guest told so
  kReset,       // it began anew: its memory is lost
  kPoweredOff,  // in order
  kGone,        // the domain ended otherwise: destroyed, killed, the host's fault
};
struct DomainNotice {
  Notice kind;
  std::string text;
};

// Of a lifecycle event (virDomainEventType and its detail); nothing for what changes nothing.
std::optional<DomainNotice> notice_of(int event, int detail);

// What QEMU's status says of stopped vCPUs. https://qemu.org/docs/master/interop/qemu-qmp-ref.html
enum class StopReason { kPaused, kPanicked, kWatchdog, kBreakpoint, kFault, kRuns };
StopReason stop_reason(std::string_view status);

// Listens as long as it lives. `on_notice` is called in libvirt's event thread.
class DomainEvents {
 public:
  static Result<std::unique_ptr<DomainEvents>> listen(Connection connection, const Domain& domain,
                                                      std::function<void(DomainNotice)> on_notice);
  ~DomainEvents();
  DomainEvents(const DomainEvents&) = delete;
  DomainEvents& operator=(const DomainEvents&) = delete;

 private:
  explicit DomainEvents(Connection connection) : connection_(std::move(connection)) {}
  Connection connection_;
  int lifecycle_ = -1;
  int reboot_ = -1;
  bool closing_ = false;
};

}  // namespace rig::vm::libvirt
