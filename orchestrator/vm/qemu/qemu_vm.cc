// SPDX-License-Identifier: Apache-2.0
#include "vm/qemu/qemu_vm.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "vm/qemu/handed_files.h"

namespace rig::vm::qemu {
namespace {

constexpr std::chrono::seconds kStartTime{
    20};                                      // QEMU answers within 0.1 s; a loaded machine is slow
constexpr std::chrono::seconds kQuitTime{1};  // then it is killed
constexpr std::chrono::seconds kEndTime{2};   // from a closed monitor to the process's end

std::string_view last_lines(std::string_view text) {
  constexpr std::size_t kQuoted = 2000;
  text = trim(text);
  return text.size() > kQuoted ? text.substr(text.size() - kQuoted) : text;
}

}  // namespace

Result<std::unique_ptr<Vm>> start_qemu(const VmConfig& config) {
  RIG_ASSIGN(const Machine* machine, machine_for(config.arch));
  RIG_TRY(check_config(config));
  RIG_ASSIGN(const fs::path program, find_program(machine->binary, machine->debian_package));
  RIG_ASSIGN(const AcceleratorHost host, this_host(*machine, program, config.stop));
  RIG_ASSIGN(Accelerator accelerator,
             choose_accelerator(*machine, config.accelerator, host, config.stop));
  return QemuVm::start(config, *machine, program, std::move(accelerator));
}

Result<std::string> identify_qemu(const VmConfig& config) {
  RIG_ASSIGN(const Machine* machine, machine_for(config.arch));
  RIG_ASSIGN(const fs::path program, find_program(machine->binary, machine->debian_package));
  RIG_ASSIGN(const AcceleratorHost host, this_host(*machine, program, config.stop));
  RIG_ASSIGN(const Accelerator accelerator,
             choose_accelerator(*machine, config.accelerator, host, config.stop));
  return fmt::format("{}\n{}", host.qemu, command_line_by_hand(*machine, config, accelerator.name));
}

Result<std::unique_ptr<QemuVm>> QemuVm::create(const VmConfig& config) {
  RIG_ASSIGN(Loop loop, Loop::create());
  return std::unique_ptr<QemuVm>(new QemuVm(config, std::move(loop)));
}

Result<std::unique_ptr<Vm>> QemuVm::start(const VmConfig& config, const Machine& machine,
                                          const fs::path& program, Accelerator accelerator) {
  RIG_ASSIGN(std::unique_ptr<QemuVm> vm, create(config));
  vm->description_ = {.backend = "qemu",
                      .backend_version = {},
                      .accelerator = accelerator.name,
                      .accelerator_reason = std::move(accelerator.reason),
                      .command_line = command_line_by_hand(machine, config, accelerator.name)};
  RIG_TRY(vm->launch(machine, program));
  return vm;
}

Result<std::unique_ptr<Vm>> QemuVm::attach(const VmConfig& config, Wires wires) {
  RIG_ASSIGN(std::unique_ptr<QemuVm> vm, create(config));
  vm->description_.backend = "qemu";
  RIG_TRY(vm->connect(std::move(wires)));
  return vm;
}

Status QemuVm::launch(const Machine& machine, const fs::path& program) {
  RIG_ASSIGN(auto monitor, socket_pair());
  RIG_ASSIGN(auto console, socket_pair());
  RIG_ASSIGN(auto agent, socket_pair());
  std::pair<UniqueFd, UniqueFd> debugger;
  if (config_.breakpoints) {
    RIG_ASSIGN(debugger, socket_pair());
  }
  const auto wire = [](std::string_view id, const UniqueFd& fd) {
    return fmt::format("socket,id={},fd={}", id, fd.get());
  };
  Wiring wiring{.kernel = {},
                .monitor = wire("monitor", monitor.second),
                .console = wire("console", console.second),
                .agent = wire("agent", agent.second),
                .debugger = config_.breakpoints ? wire("debugger", debugger.second) : "",
                .disks = {}};
  RIG_ASSIGN(const std::vector<UniqueFd> files, hand_files(config_, wiring));
  std::vector<int> inherit{monitor.second.get(), console.second.get(), agent.second.get()};
  if (debugger.second) inherit.push_back(debugger.second.get());
  for (const UniqueFd& file : files) inherit.push_back(file.get());
  const Command command{.program = program.string(),
                        .args = command_line(machine, config_, description_.accelerator, wiring),
                        .directory = {},
                        .environment = {}};
  RIG_ASSIGN(child_, Child::start(loop_, command, std::move(inherit),
                                  confinement_of(config_, description_.accelerator)));
  // Only QEMU holds the other ends now: its end closes them.
  monitor.second.reset();
  console.second.reset();
  agent.second.reset();
  debugger.second.reset();
  return connect({std::move(monitor.first), std::move(console.first), std::move(agent.first),
                  std::move(debugger.first)});
}

Status QemuVm::connect(Wires wires) {
  RIG_TRY(
      connect_guest({std::move(wires.console), std::move(wires.agent), std::move(wires.debugger)}));
  RIG_ASSIGN(qmp_, Qmp::create(loop_, std::move(wires.monitor),
                               [this](const QmpEvent& event) { on_monitor_event(event); }));
  const Deadline deadline = Deadline::after(kStartTime);
  auto version = qmp_->connect(deadline, config_.stop);
  if (!version) return tl::unexpected(explain(std::move(version).error(), "starting"));
  description_.backend_version = *std::move(version);
  return command("cont", deadline);
}

QemuVm::~QemuVm() {
  if (!child_ || !child_->alive()) return;
  if (qmp_ && !qmp_->broken()) {
    qmp_->send("quit", {}, [](Qmp::Reply) {});
    loop_.run_until([this] { return !child_->alive(); }, Deadline::after(kQuitTime));
  }
  child_.reset();  // kills what is still there
}

// ---- events

void QemuVm::on_monitor_event(const QmpEvent& event) {
  drain_guest();
  if (event.name == "GUEST_PANICKED") {
    guest_ = Guest::kPanicked;
    stopping_ = false;
    push({.kind = EventKind::kPanicked, .text = "the guest reported a panic"});
  } else if (event.name == "SHUTDOWN") {
    on_shutdown(event);
  } else if (event.name == "WATCHDOG") {
    guest_ = Guest::kWatchdog;
    stopping_ = false;
    push({.kind = EventKind::kWatchdog, .text = "the watchdog fired"});
  } else if (event.name == "STOP") {
    on_stop();
  } else if (event.name == "RESUME") {
    guest_ = Guest::kRunning;
  } else if (event.name == "DUMP_COMPLETED") {
    dump_end_ = DumpEnd{event.text("error")};
  }
}

void QemuVm::on_shutdown(const QmpEvent& event) {
  if (!event.flag("guest")) return;  // our "quit", or somebody's signal: the process ends next
  stopping_ = false;
  const std::string reason = event.text("reason");
  if (reason == "guest-reset") {
    guest_ = Guest::kReset;
    push({.kind = EventKind::kReset, .text = "the guest asked for a reset"});
  } else if (guest_ != Guest::kPanicked) {
    guest_ = Guest::kPoweredOff;
    push({.kind = EventKind::kPoweredOff, .text = reason});
  }
}

void QemuVm::on_stop() {
  // Before our own stop() is considered: whoever came first, the CPU stands at a breakpoint.
  if (const auto cpu = std::exchange(trapped_cpu_, {})) return on_breakpoint(*cpu);
  if (std::exchange(stopping_, false)) {
    guest_ = Guest::kHalted;
    return;
  }
  if (guest_ == Guest::kPoweredOff) return;
  if (guest_ != Guest::kRunning) {
    push({.kind = EventKind::kStopped, .text = fmt::format("stopped: {}", guest_state())});
    return;
  }
  // Nobody said why: ask. A fault of the accelerator must not look like the kernel's.
  guest_ = Guest::kStopped;
  qmp_->send("query-status", {}, [this](Qmp::Reply reply) {
    std::string state;
    if (reply && reply->is_object()) {
      state = QmpEvent{{}, reply->as_object()}.text("status");
    }
    if (state == "internal-error" || state == "io-error") guest_ = Guest::kFault;
    push({.kind = EventKind::kStopped, .text = fmt::format("stopped: {}", state)});
  });
}

void QemuVm::notice_end() {
  if (child_ && !child_->alive()) push_end();
}

bool QemuVm::gone() const {
  return qmp_->broken() || (child_ && !child_->alive());
}

Error QemuVm::gone_error(std::string_view doing) const {
  if (!child_ || child_->alive()) {
    return Error{Blame::kRig, fmt::format("QEMU's monitor is gone while {}", doing), {}};
  }
  Error error{Blame::kRig, fmt::format("QEMU {} while {}", child_->how_it_ended(), doing), {}};
  const std::string output = child_->output();
  if (const auto said = last_lines(output); !said.empty()) error.what += fmt::format(":\n{}", said);
  if (description_.accelerator == "kvm" && doing == "starting") {
    error.hint = "does KVM work here? try the accelerator auto or tcg";
  }
  return error;
}

// A monitor that broke because QEMU is ending: wait for its end, it tells more.
Error QemuVm::explain(Error error, std::string_view doing) {
  if (error.blame != Blame::kRig || !qmp_->broken() || !child_) return error;
  loop_.run_until([this] { return !child_->alive(); }, Deadline::after(kEndTime), config_.stop);
  notice_end();
  return child_->alive() ? error : gone_error(doing);
}

Status QemuVm::command(std::string_view name, Deadline deadline) {
  auto reply = qmp_->execute(name, {}, deadline, config_.stop);
  if (!reply) return tl::unexpected(explain(std::move(reply).error(), name));
  return {};
}

Status QemuVm::stop(Deadline deadline) {
  if (guest_ != Guest::kRunning) return {};
  stopping_ = true;
  const Status status = command("stop", deadline);
  if (!status) stopping_ = false;
  return status;
}

Status QemuVm::resume(Deadline deadline) {
  if (guest_ == Guest::kRunning) return {};
  return command("cont", deadline);
}

// Refused where the machine has none (QEMU's hw/core/nmi.c): arm64's virt up to 7.2 at least.
Result<bool> QemuVm::inject_nmi(Deadline deadline) {
  const Status status = command("inject-nmi", deadline);
  if (status) return true;
  const bool refused = status.error().blame == Blame::kRig && !gone() && !deadline.expired();
  return refused ? Result<bool>(false) : tl::unexpected(status.error());
}

}  // namespace rig::vm::qemu
