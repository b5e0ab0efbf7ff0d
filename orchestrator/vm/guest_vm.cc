// SPDX-License-Identifier: Apache-2.0
#include "vm/guest_vm.h"

#include <unistd.h>

#include <cerrno>

namespace rig::vm {
namespace {

constexpr std::chrono::seconds kBabbleTime{5};  // a corrupted guest may garble, then panic

std::size_t size_of(const Event& event) {
  return sizeof event + event.text.size();
}

}  // namespace

Status check_config(const VmConfig& config) {
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

GuestVm::GuestVm(const VmConfig& config, Loop loop) : config_(config), loop_(std::move(loop)) {
  agent_ = std::make_unique<AgentChannel>(AgentChannel::Outlets{
      .send = [this](std::string bytes) { agent_wire_->write(std::move(bytes)); },
      .on_event = [this](Event event) { push(std::move(event)); }});
}

Status GuestVm::connect_guest(GuestWires wires) {
  std::error_code error;
  fs::create_directories(config_.folder, error);
  if (error) {
    return fail(Blame::kRig, "cannot create {}: {}", config_.folder.string(), error.message());
  }
  RIG_ASSIGN(console_log_, ConsoleLog::create(
                               config_.folder / "console.log",
                               [this](std::string line) {
                                 on_console_line(line);
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
  if (!wires.debugger) return {};
  RIG_ASSIGN(debugger_,
             GdbClient::create(loop_, std::move(wires.debugger), [this](const GdbStop& stop) {
               if (stop.signal == GdbStop::kTrap) trapped_cpu_ = stop.cpu.value_or(0);
             }));
  return {};
}

// ---- events

void GuestVm::push(Event event) {
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
void GuestVm::tell_dropped() {
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

void GuestVm::enqueue(Event event) {
  queued_bytes_ += size_of(event);
  events_.push_back(std::move(event));
}

// What the guest printed and said before has been in these sockets before: first things first.
void GuestVm::drain_guest() {
  console_->drain();
  agent_wire_->drain();
  if (debugger_) debugger_->drain();
}

void GuestVm::push_end() {
  if (std::exchange(end_told_, true)) return;
  console_->drain();
  agent_wire_->drain();
  if (!console_->ended()) console_log_->finish();
  push({.kind = EventKind::kBackendExited, .text = gone_error("running").what});
}

std::string_view GuestVm::guest_state() const {
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

Result<bool> GuestVm::wait(const std::function<bool()>& condition, Deadline deadline,
                           std::string_view doing) {
  const auto woke = loop_.run_until([&] { return condition() || gone(); }, deadline, config_.stop);
  if (woke == Loop::Woke::kCancelled) return fail(Blame::kCancelled, "stopped while {}", doing);
  if (condition()) return true;
  if (woke == Loop::Woke::kDeadline) return false;
  return tl::unexpected(explain(gone_error(doing), doing));
}

Result<std::optional<Event>> GuestVm::next_event(Deadline deadline) {
  if (agent_broke_ && !stopped_by_itself()) {
    deadline = deadline.sooner(Deadline::after(*agent_broke_ + kBabbleTime - Clock::now()));
  }
  const auto woke = loop_.run_until(
      [this] {
        if (events_.empty() && gone()) notice_end();
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

}  // namespace rig::vm
