// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/domain_events.h"

#include <fmt/format.h>

#include <array>

namespace rig::vm::libvirt {
namespace {

constexpr int kAnyDetail = -1;

struct EventRow {
  int event;
  int detail;
  Notice kind;
  std::string_view text;
};
// The first row that fits counts. What is not here (defined, started, resumed, ...) says nothing of
// a guest that we did not do ourselves.
constexpr EventRow kEventRows[] = {
    {VIR_DOMAIN_EVENT_SUSPENDED, kAnyDetail, Notice::kStopped, "stopped"},
    {VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED, Notice::kPanicked,
     "the guest reported a panic"},
    {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, Notice::kPoweredOff,
     "guest-shutdown"},
    {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED, Notice::kGone,
     "the domain was destroyed"},
    {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_CRASHED, Notice::kGone,
     "the domain crashed"},
    {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, Notice::kGone,
     "the host could not keep the domain running"},
    {VIR_DOMAIN_EVENT_STOPPED, kAnyDetail, Notice::kGone, "the domain was ended by somebody else"},
};

struct StatusRow {
  std::string_view status;
  StopReason reason;
};
constexpr StatusRow kStatusRows[] = {
    {"guest-panicked", StopReason::kPanicked}, {"watchdog", StopReason::kWatchdog},
    {"debug", StopReason::kBreakpoint},        {"internal-error", StopReason::kFault},
    {"io-error", StopReason::kFault},          {"running", StopReason::kRuns},
};

using OnNotice = std::function<void(DomainNotice)>;

void free_handler(void* opaque) {
  delete static_cast<OnNotice*>(opaque);
}

int on_lifecycle(virConnectPtr, virDomainPtr, int event, int detail, void* opaque) {
  if (auto notice = notice_of(event, detail)) {
    (*static_cast<OnNotice*>(opaque))(*std::move(notice));
  }
  return 0;
}

void on_reboot(virConnectPtr, virDomainPtr, void* opaque) {
  (*static_cast<OnNotice*>(opaque))({Notice::kReset, "the guest asked for a reset"});
}

void on_close(virConnectPtr, int reason, void* opaque) {
  constexpr std::array kReasons = {"an error", "its end", "silence", "us"};
  const auto index = static_cast<std::size_t>(reason);
  (*static_cast<OnNotice*>(opaque))(
      {Notice::kGone, fmt::format("the connection to libvirt was closed by {}",
                                  index < kReasons.size() ? kReasons[index] : "something")});
}

}  // namespace

std::optional<DomainNotice> notice_of(int event, int detail) {
  for (const EventRow& row : kEventRows) {
    if (row.event != event || (row.detail != kAnyDetail && row.detail != detail)) continue;
    return DomainNotice{row.kind, std::string(row.text)};
  }
  return std::nullopt;
}

StopReason stop_reason(std::string_view status) {
  for (const StatusRow& row : kStatusRows) {
    if (row.status == status) return row.reason;
  }
  return StopReason::kPaused;
}

Result<std::unique_ptr<DomainEvents>> DomainEvents::listen(Connection connection,
                                                           const Domain& domain,
                                                           OnNotice on_notice) {
  std::unique_ptr<DomainEvents> events(new DomainEvents(std::move(connection)));
  virConnect* host = events->connection_.get();
  events->lifecycle_ = virConnectDomainEventRegisterAny(
      host, domain.get(), VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle),
      new OnNotice(on_notice), free_handler);
  events->reboot_ = virConnectDomainEventRegisterAny(host, domain.get(), VIR_DOMAIN_EVENT_ID_REBOOT,
                                                     VIR_DOMAIN_EVENT_CALLBACK(on_reboot),
                                                     new OnNotice(on_notice), free_handler);
  if (events->lifecycle_ < 0 || events->reboot_ < 0) {
    return fail_libvirt("listening to the domain's events");
  }
  // An embedded driver has no connection that could close.
  events->closing_ =
      virConnectRegisterCloseCallback(host, on_close, new OnNotice(on_notice), free_handler) == 0;
  return events;
}

DomainEvents::~DomainEvents() {
  for (const int id : {lifecycle_, reboot_}) {
    if (id >= 0) virConnectDomainEventDeregisterAny(connection_.get(), id);
  }
  if (closing_) virConnectUnregisterCloseCallback(connection_.get(), on_close);
}

}  // namespace rig::vm::libvirt
