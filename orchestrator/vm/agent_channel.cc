// SPDX-License-Identifier: Apache-2.0
#include "vm/agent_channel.h"

#include <algorithm>

namespace rig::vm {

using guest::MessageType;

void AgentChannel::feed(std::string_view bytes) {
  if (broken_) return;
  decoder_.feed(bytes);
  while (const auto frame = decoder_.next()) {
    on_frame(*frame);
    if (broken_) return;
  }
  if (decoder_.error() == guest::FrameError::kVersionMismatch) {
    return break_off(fmt::format("it speaks version {}, we speak {}", decoder_.peer_version(),
                                 guest::kProtocolVersion));
  }
  if (decoder_.error() != guest::FrameError::kNone) {
    break_off(std::string(to_string(decoder_.error())));
  }
}

void AgentChannel::on_frame(const guest::Frame& frame) {
  // Decodes and hands on, or ends the conversation.
  const auto take = [&]<class M>(std::optional<M> message, auto&& handler) {
    if (!message) return break_off(fmt::format("malformed message of type {}", int(frame.type)));
    handler(*std::move(message));
  };
  const std::uint32_t id = frame.id;
  if (is_stale(id)) return;
  switch (frame.type) {
    case MessageType::kHello:
      return take(frame.as<guest::Hello>(), [&](auto m) { on_hello(id, std::move(m)); });
    case MessageType::kHeartbeat:
      return take(frame.as<guest::Heartbeat>(), [&](auto m) { on_heartbeat(m); });
    case MessageType::kDone:
      return take(frame.as<guest::Done>(), [&](auto m) { on_done(id, std::move(m)); });
    case MessageType::kOutput:
      return take(frame.as<guest::Output>(), [&](auto m) { on_output(id, std::move(m)); });
    case MessageType::kExited:
      return take(frame.as<guest::Exited>(), [&](auto m) { on_exited(id, m); });
    case MessageType::kFileChunk:
      return take(frame.as<guest::FileChunk>(), [&](auto m) { on_file_chunk(id, m); });
    case MessageType::kWatchdogArmed:
      return take(frame.as<guest::WatchdogArmed>(), [&](auto m) { on_watchdog_armed(id, m); });
    case MessageType::kFileExtent:
      return take(frame.as<guest::FileExtent>(), [&](auto m) { on_file_extent(id, m); });
    default:
      break_off(fmt::format("unexpected message type {}", int(frame.type)));
  }
}

void AgentChannel::on_hello(std::uint32_t id, guest::Hello hello) {
  if (id != 0) {
    Open* asked = find(id, MessageType::kAskHello);
    if (asked == nullptr) return break_off(fmt::format("Hello for request {}, not open", id));
    asked->answered = true;
    return;
  }
  const bool capture = hello.capture != 0;
  if (info_ && !(capture && capture_expected_)) return break_off("it started over");
  if (info_) start_over();
  info_ = GuestInfo{.release = std::move(hello.release),
                    .version = std::move(hello.version),
                    .machine = std::move(hello.machine),
                    .cmdline = std::move(hello.cmdline),
                    .boot_time = std::chrono::nanoseconds(hello.boot_ns),
                    .module_errors = std::move(hello.module_errors),
                    .capture = capture};
  outlets_.on_event(
      {.kind = capture ? EventKind::kCaptureHello : EventKind::kHello, .uptime = info_->boot_time});
}

// Nobody is left to answer what was asked of the kernel that crashed.
void AgentChannel::start_over() {
  capture_expected_ = false;
  first_id_ = next_id_;
  open_.clear();
}

void AgentChannel::expect_capture() {
  capture_expected_ = true;
  decoder_.await_speaker(guest::hello_mark());
}

void AgentChannel::on_heartbeat(const guest::Heartbeat& heartbeat) {
  outlets_.on_event({.kind = EventKind::kHeartbeat,
                     .work = heartbeat.work,
                     .programs = heartbeat.programs,
                     .uptime = std::chrono::nanoseconds(heartbeat.uptime_ns)});
}

void AgentChannel::on_done(std::uint32_t id, guest::Done done) {
  if (id == 0) return break_off(fmt::format("it complains: {}", done.what));
  const auto entry = open_.find(id);
  if (entry == open_.end() || entry->second.answered ||
      entry->second.type == MessageType::kAskHello) {
    return break_off(fmt::format("Done for request {}, not open", id));
  }
  Open& open = entry->second;
  if (open.running) {  // it could not be run after all
    outlets_.on_event(
        {.kind = EventKind::kProgramExited, .text = std::move(done.what), .code = 127});
    open_.erase(entry);
    return;
  }
  open.answered = true;
  open.answer.error = done.error;
  open.answer.what = std::move(done.what);
}

void AgentChannel::on_output(std::uint32_t id, guest::Output output) {
  if (find(id, MessageType::kRunProgram) == nullptr) {
    return break_off(fmt::format("output of program {}, which does not run", id));
  }
  outlets_.on_event({.kind = EventKind::kProgramOutput,
                     .text = std::move(output.bytes),
                     .is_stderr = output.descriptor == 2});
}

void AgentChannel::on_exited(std::uint32_t id, const guest::Exited& exited) {
  Open* program = find(id, MessageType::kRunProgram);
  if (program == nullptr) {
    return break_off(fmt::format("exit of program {}, which does not run", id));
  }
  constexpr std::uint64_t kHighest = 255;
  const std::uint64_t code = exited.signal != 0 ? 128 + std::min<std::uint64_t>(exited.signal, 127)
                                                : std::min(exited.code, kHighest);
  outlets_.on_event({.kind = EventKind::kProgramExited,
                     .text = exited.timed_out != 0 ? "ran into its time limit" : "",
                     .code = static_cast<int>(code)});
  if (program->running) {
    open_.erase(id);
  } else {
    program->answered = true;  // it was over before start_program() had looked
  }
}

void AgentChannel::on_file_chunk(std::uint32_t id, const guest::FileChunk& chunk) {
  Open* asked = find(id, MessageType::kReadFile);
  if (asked == nullptr) asked = find(id, MessageType::kFindSymbols);
  if (asked == nullptr) return break_off(fmt::format("a file for request {}, not open", id));
  asked->answer.file += chunk.bytes;
  if (asked->answer.file.size() > guest::kMaxFileSize) break_off("a file over the limit");
}

void AgentChannel::on_watchdog_armed(std::uint32_t id, const guest::WatchdogArmed& armed) {
  Open* asked = find(id, MessageType::kArmWatchdog);
  if (asked == nullptr) return break_off(fmt::format("a watchdog for request {}, not open", id));
  asked->answered = true;
  asked->answer.seconds = armed.seconds;
}

void AgentChannel::on_file_extent(std::uint32_t id, const guest::FileExtent& extent) {
  const Open* asked = find(id, MessageType::kReadRanges);
  if (asked == nullptr) return break_off(fmt::format("a part of a file for {}, not open", id));
  if (!asked->let_go) asked->extents(extent.offset, extent.bytes);
}

Result<std::uint32_t> AgentChannel::read_ranges(const guest::ReadRanges& message, Extents extents) {
  RIG_ASSIGN(const std::uint32_t id, request(message));
  open_[id].extents = std::move(extents);
  return id;
}

void AgentChannel::let_go(std::uint32_t id) {
  if (const auto entry = open_.find(id); entry != open_.end()) entry->second.let_go = true;
}

Status AgentChannel::send_chunk(std::uint32_t id, std::string bytes) {
  return send(id, guest::FileChunk{.bytes = std::move(bytes)});
}

bool AgentChannel::answered(std::uint32_t id) const {
  const auto entry = open_.find(id);
  return entry != open_.end() && entry->second.answered;
}

AgentChannel::Answer AgentChannel::take_answer(std::uint32_t id) {
  const auto entry = open_.find(id);
  if (entry == open_.end()) return {};
  Answer answer = std::move(entry->second.answer);
  open_.erase(entry);
  return answer;
}

void AgentChannel::let_run(std::uint32_t id) {
  if (const auto entry = open_.find(id); entry != open_.end()) entry->second.running = true;
}

void AgentChannel::break_off(std::string why) {
  if (broken_) return;
  broken_ = fail_hint(Blame::kRig, "is its initramfs from this version of the rig?",
                      "the guest's agent broke the protocol: {}", why)
                .value();
}

// The open request of that number and type that has not been answered yet.
AgentChannel::Open* AgentChannel::find(std::uint32_t id, MessageType type) {
  const auto entry = open_.find(id);
  if (entry == open_.end() || entry->second.type != type || entry->second.answered) return nullptr;
  return &entry->second;
}

}  // namespace rig::vm
