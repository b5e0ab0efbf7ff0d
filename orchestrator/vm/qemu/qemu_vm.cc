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
constexpr std::chrono::seconds kBabbleTime{5};  // a corrupted guest may garble, then panic

std::size_t size_of(const Event& event) {
  return sizeof event + event.text.size();
}

std::string_view last_lines(std::string_view text) {
  constexpr std::size_t kQuoted = 2000;
  text = trim(text);
  return text.size() > kQuoted ? text.substr(text.size() - kQuoted) : text;
}

Status check(const VmConfig& config) {
  constexpr std::uint64_t kMiB = 1 << 20;
  if (config.memory_bytes == 0 || config.memory_bytes % kMiB != 0) {
    return fail(Blame::kInput, "guest memory of {} bytes is not a multiple of 1 MiB",
                config.memory_bytes);
  }
  if (config.cpus == 0) return fail(Blame::kInput, "a guest needs at least one CPU");
  for (const fs::path& file : {config.kernel, config.initramfs}) {
    if (!file.empty() && ::access(file.c_str(), R_OK) != 0) {
      return fail_errno(errno, fmt::format("cannot read {}", file.string()), Blame::kInput);
    }
  }
  if (config.kernel.empty()) return fail(Blame::kInput, "no kernel to boot");
  return {};
}

}  // namespace

Result<std::unique_ptr<Vm>> start_qemu(const VmConfig& config) {
  RIG_ASSIGN(const Machine* machine, machine_for(config.arch));
  RIG_TRY(check(config));
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

QemuVm::QemuVm(const VmConfig& config, Loop loop) : config_(config), loop_(std::move(loop)) {
  agent_ = std::make_unique<AgentChannel>(AgentChannel::Outlets{
      .send = [this](std::string bytes) { agent_wire_->write(std::move(bytes)); },
      .on_event = [this](Event event) { push(std::move(event)); }});
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
  std::error_code error;
  fs::create_directories(config_.folder, error);
  if (error) {
    return fail(Blame::kRig, "cannot create {}: {}", config_.folder.string(), error.message());
  }
  RIG_ASSIGN(console_log_, ConsoleLog::create(
                               config_.folder / "console.log",
                               [this](std::string line) {
                                 push({.kind = EventKind::kConsoleLine, .text = std::move(line)});
                               },
                               config_.begins_report));
  RIG_ASSIGN(console_,
             Channel::create(loop_, std::move(wires.console),
                             {.on_bytes = [this](std::string_view b) { console_log_->feed(b); },
                              .on_end = [this] { console_log_->finish(); }}));
  RIG_ASSIGN(agent_wire_, Channel::create(loop_, std::move(wires.agent),
                                          {.on_bytes = [this](std::string_view b) {
                                            agent_->feed(b);
                                            if (agent_->broken() && !agent_broke_)
                                              agent_broke_ = Clock::now();
                                          }}));
  if (wires.debugger) {
    RIG_ASSIGN(debugger_,
               GdbClient::create(loop_, std::move(wires.debugger), [this](const GdbStop& stop) {
                 if (stop.signal == GdbStop::kTrap) trapped_cpu_ = stop.cpu.value_or(0);
               }));
  }
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

void QemuVm::push(Event event) {
  // A guest that prints without end must not fill our memory.
  const bool line = event.kind == EventKind::kConsoleLine;
  const bool output = event.kind == EventKind::kProgramOutput;
  const bool noise = line || output || event.kind == EventKind::kHeartbeat;
  // Once something is missing, more is: a few large gaps are easier to read than many small ones.
  const std::size_t limit = dropped_.lines + dropped_.output == 0 ? kMaxQueued : kMaxQueued / 2;
  if (noise && queued_bytes_ + size_of(event) > limit) {
    dropped_.lines += line ? 1 : 0;
    dropped_.output += output ? event.text.size() : 0;
    return;
  }
  tell_dropped();
  enqueue(std::move(event));
}

// Says in the stream what is missing at this place.
void QemuVm::tell_dropped() {
  const Dropped dropped = std::exchange(dropped_, {});
  if (dropped.lines != 0) {
    enqueue({.kind = EventKind::kConsoleLine,
             .text = fmt::format("[{} lines left out: they came faster than they were read]",
                                 dropped.lines)});
  }
  if (dropped.output != 0) {
    enqueue({.kind = EventKind::kProgramOutput,
             .text = fmt::format("[{} bytes of output left out]\n", dropped.output),
             .is_stderr = true});
  }
}

void QemuVm::enqueue(Event event) {
  queued_bytes_ += size_of(event);
  events_.push_back(std::move(event));
}

void QemuVm::on_monitor_event(const QmpEvent& event) {
  // What the guest printed and said before has been in these sockets before: first things first.
  console_->drain();
  agent_wire_->drain();
  if (debugger_) debugger_->drain();
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

// Queues the end of the process once, after all that it has said.
void QemuVm::check_child() {
  if (end_told_ || !child_ || child_->alive()) return;
  end_told_ = true;
  console_->drain();
  agent_wire_->drain();
  if (!console_->ended()) console_log_->finish();
  push({.kind = EventKind::kBackendExited, .text = gone_error("running").what});
}

bool QemuVm::gone() const {
  return qmp_->broken() || (child_ && !child_->alive());
}

std::string_view QemuVm::guest_state() const {
  switch (guest_) {
    case Guest::kRunning:
      return "it runs";
    case Guest::kHalted:
      return "it is halted by the rig";
    case Guest::kPanicked:
      return "it panicked";
    case Guest::kReset:
      return "it asked for a reset";
    case Guest::kWatchdog:
      return "its watchdog fired";
    case Guest::kBreakpoint:
      return "it is stopped at a breakpoint";
    case Guest::kStopped:
      return "it stopped";
    case Guest::kPoweredOff:
      return "it powered off";
    case Guest::kFault:
      return "QEMU stopped it for a fault of its own";
  }
  return "unknown";
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
  check_child();
  return child_->alive() ? error : gone_error(doing);
}

Result<bool> QemuVm::wait(const std::function<bool()>& condition, Deadline deadline,
                          std::string_view doing) {
  const auto woke = loop_.run_until([&] { return condition() || gone(); }, deadline, config_.stop);
  if (woke == Loop::Woke::kCancelled) return fail(Blame::kCancelled, "stopped while {}", doing);
  if (condition()) return true;
  if (woke == Loop::Woke::kDeadline) return false;
  return tl::unexpected(explain(gone_error(doing), doing));
}

Status QemuVm::command(std::string_view name, Deadline deadline) {
  auto reply = qmp_->execute(name, {}, deadline, config_.stop);
  if (!reply) return tl::unexpected(explain(std::move(reply).error(), name));
  return {};
}

Result<std::optional<Event>> QemuVm::next_event(Deadline deadline) {
  if (agent_broke_ && !stopped_by_itself()) {
    deadline = deadline.sooner(Deadline::after(*agent_broke_ + kBabbleTime - Clock::now()));
  }
  const auto woke = loop_.run_until(
      [this] {
        if (events_.empty() && gone() && child_) check_child();
        return !events_.empty() || end_told_ || gone() || console_log_->error() ||
               !check_debugger();
      },
      deadline, config_.stop);
  if (woke == Loop::Woke::kCancelled) return fail(Blame::kCancelled, "stopped");
  if (events_.empty() && gone() && !end_told_) (void)explain(gone_error("running"), "running");
  if (!events_.empty()) {
    std::optional<Event> event = std::move(events_.front());
    events_.pop_front();
    queued_bytes_ -= size_of(*event);
    if (events_.empty()) tell_dropped();
    return event;
  }
  if (gone()) return tl::unexpected(gone_error("running"));
  if (console_log_->error()) return tl::unexpected(*console_log_->error());
  RIG_TRY(check_debugger());
  const bool babbled = agent_broke_ && Clock::now() >= *agent_broke_ + kBabbleTime;
  if (babbled && !stopped_by_itself()) return tl::unexpected(*agent_->broken());
  return std::nullopt;
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

}  // namespace rig::vm::qemu
