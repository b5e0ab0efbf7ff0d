// SPDX-License-Identifier: Apache-2.0
#include "vm/libvirt/libvirt_vm.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "vm/libvirt/machine_choice.h"
#include "vm/qemu/command_line.h"
#include "vm/qemu/disk_file.h"

namespace rig::vm::libvirt {
namespace {

constexpr std::chrono::seconds kLaunchTime{60};
constexpr std::chrono::minutes kSendTime{10};  // a kernel over a slow line, once
constexpr std::chrono::seconds kFarewellTime{20};
constexpr std::chrono::seconds kNoticeTime{2};  // from a failed call to the event that explains it

// What a kernel that does not reset itself prints last (kernel/panic.c: panic(), since v2.6.30).
constexpr std::string_view kEndOfPanic = "---[ end Kernel panic - not syncing";

// Unique on this host as long as the process lives; on a shared one its owner makes the difference.
std::string next_name() {
  static std::atomic<unsigned> count{0};
  char host[32] = "host";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("{}{}-{}-{}", kDomainPrefix, ::getpid(), ++count, host);
}

Result<UniqueFd> connect_socket(const fs::path& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (!fd || text.size() >= sizeof address.sun_path) {
    return fail(Blame::kRig, "cannot connect to QEMU's gdbstub at {}", text);
  }
  std::memcpy(address.sun_path, text.c_str(), text.size());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(errno, fmt::format("cannot connect to QEMU's gdbstub at {}", text));
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<Vm>> start_libvirt(const VmConfig& config) {
  RIG_ASSIGN(HostUri uri, parse_uri(config.host));
  RIG_TRY(check_config(config));
  return LibvirtVm::start(config, std::move(uri));
}

Result<std::unique_ptr<Vm>> LibvirtVm::start(const VmConfig& config, HostUri uri) {
  RIG_ASSIGN(Loop loop, Loop::create());
  std::unique_ptr<LibvirtVm> vm(new LibvirtVm(config, std::move(loop), std::move(uri)));
  RIG_TRY(vm->launch());
  return vm;
}

LibvirtVm::LibvirtVm(const VmConfig& config, Loop loop, HostUri uri)
    : GuestVm(config, std::move(loop)),
      name_(next_name()),
      host_(std::make_shared<Host>(std::move(uri))),
      caller_(loop_, config.stop) {}

LibvirtVm::~LibvirtVm() {
  caller_.mailbox()->close();
  caller_.post([host = std::move(host_)] { host->end(); });
  caller_.finish(Deadline::after(kFarewellTime));
}

Status LibvirtVm::make_disks(std::vector<int>& disks) {
  for (const scenario::Disk& each : config_.disks) {
    if (!each.image.empty()) {
      disks.push_back(-1);
      continue;
    }
    RIG_ASSIGN(UniqueFd disk, qemu::create_disk(each, config_.stop));
    disks.push_back(disk.get());
    disks_.push_back(std::move(disk));
  }
  return {};
}

Status LibvirtVm::launch() {
  const Deadline deadline = Deadline::after(kLaunchTime);
  if (config_.breakpoints && host_->uri().remote) {
    return fail_hint(Blame::kInput, "run it on this host, or leave the detector out",
                     "stop_at needs QEMU's gdbstub, which does not reach over libvirt");
  }
  RIG_ASSIGN(const MachineChoice choice, choose_machine(host_, config_, caller_, deadline));
  description_ = {.backend = "libvirt",
                  .backend_version = host_->version(),
                  .accelerator = choice.accelerator.name,
                  .accelerator_reason = choice.accelerator.reason,
                  .command_line = qemu::command_line_by_hand(*choice.machine, config_,
                                                             choice.accelerator.name)};
  std::vector<int> disks;
  RIG_TRY(make_disks(disks));
  const auto files = std::make_shared<DomainFiles>();
  RIG_TRY(caller_.call("sending the guest's files", Deadline::after(kSendTime),
                       [host = host_, config = config_, disks, files, name = name_]() -> Status {
                         RIG_ASSIGN(*files, host->place(config, disks, name));
                         return {};
                       }));
  if (config_.breakpoints) {
    RIG_ASSIGN(folder_, TempDir::create("crashrig-gdb"));
    files->debugger = folder_->path() / "stub";
  }
  RIG_ASSIGN(const std::string xml, domain_xml(name_, *choice.machine, config_,
                                               choice.accelerator.name, choice.host, *files));
  RIG_TRY(call("starting the guest", deadline, [host = host_, xml] { return host->create(xml); }));
  RIG_TRY(wire());
  return call("starting the guest", deadline, [host = host_] { return host->resume(); });
}

// The guest is paused: nothing that it says can be missed.
Status LibvirtVm::wire() {
  const Deadline deadline = Deadline::after(kLaunchTime);
  RIG_ASSIGN(auto console, socket_pair());
  RIG_ASSIGN(auto agent, socket_pair());
  const auto far = std::make_shared<std::pair<UniqueFd, UniqueFd>>(std::move(console.second),
                                                                   std::move(agent.second));
  const auto on_notice = [this, mailbox = caller_.mailbox()](DomainNotice notice) {
    mailbox->post([this, notice = std::move(notice)] { this->on_notice(notice); });
  };
  const auto open = [host = host_, far, on_notice]() -> Status {
    RIG_TRY(host->listen(on_notice));
    return host->open_wires(std::move(far->first), std::move(far->second));
  };
  RIG_TRY(call("opening the guest's wires", deadline, open));
  GuestWires wires{.console = std::move(console.first), .agent = std::move(agent.first)};
  if (folder_) {
    RIG_ASSIGN(wires.debugger, connect_socket(folder_->path() / "stub"));
  }
  return connect_guest(std::move(wires));
}

// ---- what libvirt tells

void LibvirtVm::on_notice(const DomainNotice& notice) {
  switch (notice.kind) {
    case Notice::kStopped:
      if (!stopping_ && guest_ == Guest::kRunning) ask_why_stopped();
      return;
    case Notice::kPanicked:
      return after_last_words([this, text = notice.text] {
        on_ended_by_itself(Guest::kPanicked, EventKind::kPanicked, text);
      });
    case Notice::kReset:
      // It boots anew: only its end is of interest.
      caller_.post([host = host_] { (void)host->suspend(); });
      return after_last_words([this, text = notice.text] {
        on_ended_by_itself(Guest::kReset, EventKind::kReset, text);
      });
    case Notice::kPoweredOff:
      return after_last_words([this, text = notice.text] {
        if (guest_ == Guest::kPoweredOff || gone()) return;
        guest_ = Guest::kPoweredOff;
        drain_guest();
        push({.kind = EventKind::kPoweredOff, .text = text});
      });
    case Notice::kGone:
      if (guest_ != Guest::kPoweredOff && !gone_) gone_ = notice.text;
      return;
  }
}

void LibvirtVm::after_last_words(std::function<void()> then) {
  caller_.post([host = host_, mailbox = caller_.mailbox(), then = std::move(then)] {
    host->await_quiet();
    mailbox->post(then);
  });
}

void LibvirtVm::ask_why_stopped() {
  caller_.post([this, host = host_, mailbox = caller_.mailbox()] {
    const auto status = host->qemu_status();
    host->await_quiet();
    mailbox->post([this, status = status.value_or("")] { on_stopped(status); });
  });
}

void LibvirtVm::on_stopped(const std::string& status) {
  if (guest_ != Guest::kRunning) return;  // told already
  drain_guest();
  switch (stop_reason(status)) {
    case StopReason::kRuns:
      return;  // it was stopped, and resumed since
    case StopReason::kPanicked:
      return on_ended_by_itself(Guest::kPanicked, EventKind::kPanicked,
                                "the guest reported a panic");
    case StopReason::kWatchdog:
      return on_ended_by_itself(Guest::kWatchdog, EventKind::kWatchdog, "the watchdog fired");
    case StopReason::kBreakpoint:
      return on_breakpoint(std::exchange(trapped_cpu_, {}).value_or(0));
    case StopReason::kFault:
    case StopReason::kPaused:
      guest_ = stop_reason(status) == StopReason::kFault ? Guest::kFault : Guest::kStopped;
      return push({.kind = EventKind::kStopped, .text = fmt::format("stopped: {}", status)});
  }
}

void LibvirtVm::on_ended_by_itself(Guest state, EventKind kind, const std::string& text) {
  if (stopped_by_itself() || gone()) return;
  drain_guest();
  guest_ = state;
  stopping_ = false;
  push({.kind = kind, .text = text});
  push({.kind = EventKind::kStopped, .text = fmt::format("stopped: {}", guest_state())});
}

// Without pvpanic a kernel that panicked goes round in circles, its last words said: it is stopped
// there.
void LibvirtVm::on_console_line(std::string_view line) {
  if (guest_ != Guest::kRunning || line.find(kEndOfPanic) == std::string_view::npos) return;
  caller_.post([this, host = host_, mailbox = caller_.mailbox()] {
    if (!host->suspend()) return;
    host->await_quiet();
    mailbox->post([this] {
      on_ended_by_itself(Guest::kPanicked, EventKind::kPanicked, "the guest halted in its panic");
    });
  });
}

void LibvirtVm::notice_end() {
  if (gone_) push_end();
}

Error LibvirtVm::gone_error(std::string_view doing) const {
  return Error{
      Blame::kRig, fmt::format("{} while {}", gone_.value_or("the domain is gone"), doing), {}};
}

// A call that failed because the domain is gone: libvirt tells, a moment later.
Error LibvirtVm::explain(Error error, std::string_view doing) {
  if (error.blame != Blame::kRig) return error;
  loop_.run_until([this] { return gone(); }, Deadline::after(kNoticeTime), config_.stop);
  notice_end();
  return gone() ? gone_error(doing) : error;
}

// ---- what the owner asks

Status LibvirtVm::call(std::string_view doing, Deadline deadline, std::function<Status()> work) {
  if (gone()) return tl::unexpected(gone_error(doing));
  Status status = caller_.call(doing, deadline, std::move(work));
  if (!status) return tl::unexpected(explain(std::move(status).error(), doing));
  return status;
}

Status LibvirtVm::stop(Deadline deadline) {
  if (guest_ != Guest::kRunning) return {};
  stopping_ = true;
  const Status status =
      call("stopping the guest", deadline, [host = host_] { return host->suspend(); });
  stopping_ = false;
  if (!status) return status;
  // Before our own stop is considered: whoever came first, the CPU stands at a breakpoint.
  drain_guest();
  if (const auto cpu = std::exchange(trapped_cpu_, {})) {
    on_breakpoint(*cpu);
  } else if (guest_ == Guest::kRunning) {
    guest_ = Guest::kHalted;
  }
  return {};
}

Status LibvirtVm::resume(Deadline deadline) {
  if (guest_ == Guest::kRunning) return {};
  const Guest before = std::exchange(guest_, Guest::kRunning);
  const Status status =
      call("resuming the guest", deadline, [host = host_] { return host->resume(); });
  if (!status) guest_ = before;
  return status;
}

Result<bool> LibvirtVm::inject_nmi(Deadline deadline) {
  const Status status =
      call("sending an NMI", deadline, [host = host_] { return host->inject_nmi(); });
  if (status) return true;
  const bool refused = status.error().blame == Blame::kRig && !gone() && !deadline.expired();
  return refused ? Result<bool>(false) : tl::unexpected(status.error());
}

}  // namespace rig::vm::libvirt
