// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/agent.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "guest/agent/crash_kernel.h"
#include "guest/agent/modules.h"
#include "guest/agent/report.h"
#include "guest/agent/system.h"

namespace rig::guest {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;
constexpr std::uint64_t kBeatNs = kHeartbeatPeriod.count() * kNsPerMs;
// How often to look for a host that is not there: poll() cannot wait for it.
constexpr std::uint64_t kSearchNs = 50 * kNsPerMs;
constexpr std::uint64_t kPowerOffFlushNs = 500 * kNsPerMs;

UniqueFd open_child_events() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return UniqueFd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

}  // namespace

Agent::Agent(std::vector<std::string> module_errors)
    : module_errors_(std::move(module_errors)), child_events_(open_child_events()) {}

void Agent::run() {
  while (true) {
    if (channel_.connect()) start_conversation();
    beat();
    pump_files();
    pump_ranges();
    pump_outputs();
    retire_programs();
    channel_.flush();
    wait_for_events();
    reap_children();
    check_deadlines();
  }
}

void Agent::start_conversation() {
  incoming_.clear();
  outgoing_.clear();
  outgoing_ranges_.clear();
  next_beat_ns_ = 0;
  channel_.send(0, describe_system(module_errors_));
}

void Agent::beat() {
  const std::uint64_t now = boot_time_ns();
  if (now < next_beat_ns_) return;
  next_beat_ns_ = now + kBeatNs;
  watchdog_.feed();
  const Heartbeat heartbeat{
      .uptime_ns = now, .sequence = beats_++, .work = work_.value(), .programs = programs_.size()};
  if (channel_.has_room()) channel_.send(0, heartbeat);
}

// How long nothing needs to be done unless a descriptor says so.
int Agent::idle_ms() const {
  if (channel_.has_room() && (!outgoing_.empty() || !outgoing_ranges_.empty())) return 0;
  const std::uint64_t now = boot_time_ns();
  std::uint64_t deadline = next_beat_ns_;
  if (!channel_.connected()) deadline = std::min(deadline, now + kSearchNs);
  for (const auto& program : programs_) deadline = std::min(deadline, program->deadline_ns());
  return deadline <= now ? 0 : static_cast<int>((deadline - now) / kNsPerMs + 1);
}

// Waits for the next deadline or for something to do, and takes the host's requests.
void Agent::wait_for_events() {
  const bool room = channel_.has_room();
  std::vector<pollfd> fds;
  fds.push_back({.fd = child_events_.get(), .events = POLLIN, .revents = 0});
  // Without a host the port would report a hang-up at once, over and over.
  const short port_events =
      static_cast<short>((room ? POLLIN : 0) | (channel_.has_output() ? POLLOUT : 0));
  fds.push_back(
      {.fd = channel_.connected() ? channel_.fd() : -1, .events = port_events, .revents = 0});
  for (const auto& program : programs_) {
    for (std::size_t i = 0; i < 2; ++i) {
      fds.push_back({.fd = room ? program->output_fd(i) : -1, .events = POLLIN, .revents = 0});
    }
  }
  if (poll(fds.data(), fds.size(), idle_ms()) <= 0) return;

  if ((fds[1].revents & POLLIN) != 0) handle_requests();
}

void Agent::reap_children() {
  signalfd_siginfo event;
  while (read(child_events_.get(), &event, sizeof(event)) > 0) {
  }
  int status = 0;
  rusage usage{};
  for (pid_t pid = 0; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
    // Orphans are reaped too, and nobody asks for them.
    for (const auto& program : programs_) {
      if (program->pid() != pid) continue;
      program->on_exit(status, usage);
      next_beat_ns_ = 0;  // its work is told before its end
    }
  }
}

void Agent::check_deadlines() {
  const std::uint64_t now = boot_time_ns();
  for (const auto& program : programs_) {
    if (program->deadline_ns() <= now) program->on_deadline();
  }
}

void Agent::pump_files() {
  while (!outgoing_.empty() && channel_.has_room()) {
    OutgoingFile& file = outgoing_.front();
    FileChunk chunk;
    const Done done = file.read_chunk(chunk);
    if (!chunk.bytes.empty()) channel_.send(file.id(), chunk);
    if (file.finished()) {
      channel_.send(file.id(), done);
      outgoing_.erase(outgoing_.begin());
    }
  }
}

void Agent::pump_ranges() {
  while (!outgoing_ranges_.empty() && channel_.has_room()) {
    OutgoingRanges& ranges = *outgoing_ranges_.front();
    FileExtent extent;
    const Done done = ranges.read_extent(extent);
    if (!extent.bytes.empty()) channel_.send(ranges.id(), extent);
    if (!ranges.finished()) continue;
    channel_.send(ranges.id(), done);
    outgoing_ranges_.erase(outgoing_ranges_.begin());
  }
}

void Agent::pump_outputs() {
  for (const auto& program : programs_) {
    for (std::size_t i = 0; i < 2; ++i) pump_output(*program, i);
  }
}

void Agent::pump_output(Program& program, std::size_t index) {
  // What the host does not read stays in the pipe, and in the end the program waits.
  if (program.output_fd(index) < 0 || !channel_.has_room()) return;
  Output output{.descriptor = index + 1, .bytes = program.read_output(index)};
  if (!output.bytes.empty()) channel_.send(program.id(), output);
}

// A result waits for the host, as output does.
void Agent::retire_programs() {
  if (!channel_.connected()) return;
  std::erase_if(programs_, [this](const std::unique_ptr<Program>& program) {
    if (!program->finished()) return false;
    channel_.send(program->id(), program->result());
    return true;
  });
}

void Agent::handle_requests() {
  channel_.receive();
  while (const std::optional<Frame> frame = channel_.next()) dispatch(*frame);
}

template <class M>
void Agent::parse(const Frame& frame) {
  if (const std::optional<M> request = frame.as<M>()) {
    handle(frame.id, *request);
  } else {
    channel_.send(frame.id, Done{.error = EBADMSG, .what = "a request could not be parsed"});
  }
}

void Agent::dispatch(const Frame& frame) {
  switch (frame.type) {
    case MessageType::kAskHello:
      return parse<AskHello>(frame);
    case MessageType::kWriteSysctl:
      return parse<WriteSysctl>(frame);
    case MessageType::kPutFile:
      return parse<PutFile>(frame);
    case MessageType::kFileChunk:
      return parse<FileChunk>(frame);
    case MessageType::kReadFile:
      return parse<ReadFile>(frame);
    case MessageType::kFindSymbols:
      return parse<FindSymbols>(frame);
    case MessageType::kLoadModule:
      return parse<LoadModule>(frame);
    case MessageType::kRunProgram:
      return parse<RunProgram>(frame);
    case MessageType::kKillProgram:
      return parse<KillProgram>(frame);
    case MessageType::kArmWatchdog:
      return parse<ArmWatchdog>(frame);
    case MessageType::kLoadCrashKernel:
      return parse<LoadCrashKernel>(frame);
    case MessageType::kLoadCrashSegments:
      return parse<LoadCrashSegments>(frame);
    case MessageType::kReadRanges:
      return parse<ReadRanges>(frame);
    case MessageType::kPowerOff:
      return parse<PowerOff>(frame);
    default:
      break;
  }
  const auto type = std::to_string(static_cast<unsigned>(frame.type));
  channel_.send(frame.id, Done{.error = ENOSYS, .what = "not a request: message type " + type});
}

void Agent::handle(std::uint32_t id, const AskHello&) {
  channel_.send(id, describe_system(module_errors_));
}

void Agent::handle(std::uint32_t id, const WriteSysctl& request) {
  channel_.send(id, write_sysctl(request));
}

void Agent::handle(std::uint32_t id, const PutFile& request) {
  Done error;
  IncomingFile file(id, request, error);
  if (failed(error) || file.complete()) {
    channel_.send(id, error);
  } else {
    incoming_.push_back(std::move(file));
  }
}

void Agent::handle(std::uint32_t id, const FileChunk& chunk) {
  const auto file = std::find_if(incoming_.begin(), incoming_.end(),
                                 [id](const IncomingFile& entry) { return entry.id() == id; });
  if (file == incoming_.end()) return;  // its file has failed already
  const Done done = file->append(chunk.bytes);
  if (!failed(done) && !file->complete()) return;
  // Closed before the host hears of it: a program open for writing cannot be executed.
  incoming_.erase(file);
  channel_.send(id, done);
}

void Agent::handle(std::uint32_t id, const ReadFile& request) {
  Done error;
  OutgoingFile file(id, request, error);
  if (failed(error)) {
    channel_.send(id, error);
  } else {
    outgoing_.push_back(std::move(file));
  }
}

void Agent::handle(std::uint32_t id, const FindSymbols& request) {
  FileChunk chunk;
  const Done done = find_symbols(request, chunk.bytes);
  if (!chunk.bytes.empty()) channel_.send(id, chunk);
  channel_.send(id, done);
}

void Agent::handle(std::uint32_t id, const LoadModule& request) {
  channel_.send(id, load_module(request.path, request.params));
}

void Agent::handle(std::uint32_t id, const RunProgram& request) {
  Done error;
  auto program = std::make_unique<Program>(id, request, work_.fd(), error);
  if (failed(error)) {
    channel_.send(id, error);
  } else {
    programs_.push_back(std::move(program));
  }
}

void Agent::handle(std::uint32_t id, const KillProgram& request) {
  Done done = failure(ESRCH, "kill", std::to_string(request.program));
  for (const auto& program : programs_) {
    if (program->id() == request.program) done = program->signal(static_cast<int>(request.signal));
  }
  channel_.send(id, done);
}

void Agent::handle(std::uint32_t id, const ArmWatchdog& request) {
  WatchdogArmed armed;
  if (const Done done = watchdog_.arm(request, armed); failed(done)) {
    channel_.send(id, done);
  } else {
    channel_.send(id, armed);
  }
}

void Agent::handle(std::uint32_t id, const LoadCrashKernel& request) {
  channel_.send(id, load_crash_kernel(request));
}

void Agent::handle(std::uint32_t id, const LoadCrashSegments& request) {
  channel_.send(id, load_crash_segments(request));
}

void Agent::handle(std::uint32_t id, const ReadRanges& request) {
  Done error;
  auto ranges = std::make_unique<OutgoingRanges>(id, request, error);
  if (failed(error)) {
    channel_.send(id, error);
  } else {
    outgoing_ranges_.push_back(std::move(ranges));
  }
}

void Agent::handle(std::uint32_t id, const PowerOff&) {
  watchdog_.disarm();
  channel_.send(id, Done{});
  const std::uint64_t deadline = boot_time_ns() + kPowerOffFlushNs;
  while (channel_.has_output() && boot_time_ns() < deadline) {
    pollfd port{.fd = channel_.fd(), .events = POLLOUT, .revents = 0};
    poll(&port, 1, 10);
    channel_.flush();
  }
  log(power_off().what);
}

}  // namespace rig::guest
