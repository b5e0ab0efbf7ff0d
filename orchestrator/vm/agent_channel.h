// SPDX-License-Identifier: Apache-2.0
// The host's side of guest/protocol.h, free of transport: bytes in, bytes out, events. All that
// comes from the guest is hostile; whatever breaks the protocol ends the conversation for good.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "guest/protocol.h"
#include "vm/vm.h"

namespace rig::vm {

class AgentChannel {
 public:
  struct Outlets {
    std::function<void(std::string bytes)> send;
    // kHello, kCaptureHello, kHeartbeat, kProgramOutput, -Exited
    std::function<void(Event event)> on_event;
  };

  // How a request ended.
  struct Answer {
    std::uint64_t error = 0;    // errno of the guest
    std::string what;           // the agent's words for it
    std::string file;           // of ReadFile, or the lines of FindSymbols
    std::uint64_t seconds = 0;  // of ArmWatchdog: what it was set to
  };

  explicit AgentChannel(Outlets outlets) : outlets_(std::move(outlets)) {}

  void feed(std::string_view bytes);

  // What the agent said when it came up; nothing before. A capture kernel's takes its place.
  const std::optional<GuestInfo>& info() const { return info_; }
  bool in_capture_kernel() const { return info_ && info_->capture; }
  // Why the conversation is over (Blame::kRig).
  const std::optional<Error>& broken() const { return broken_; }

  // Sends a request and returns its number. Too long a request is Blame::kInput.
  template <class M>
  Result<std::uint32_t> request(const M& message) {
    const std::uint32_t id = next_id_++;
    RIG_TRY(send(id, message));
    open_[id] = Open{.type = M::kType, .answer = {}, .answered = false};
    return id;
  }
  // A piece of the file of request `id` (PutFile).
  Status send_chunk(std::uint32_t id, std::string bytes);

  // Reads parts of a file; the sink is called from within feed(), until let_go(id).
  using Extents = std::function<void(std::uint64_t offset, std::string_view bytes)>;
  Result<std::uint32_t> read_ranges(const guest::ReadRanges& message, Extents extents);
  // Whatever still comes for this request is of no interest.
  void let_go(std::uint32_t id);

  // The guest may crash into a capture kernel from now on, whose agent then starts over.
  void expect_capture();

  bool answered(std::uint32_t id) const;
  // The answer, once; a program's request stays known for its output and exit.
  Answer take_answer(std::uint32_t id);
  // RunProgram has no answer of its own while the program runs: call this once a later request was
  // answered. The program's output and exit are events from then on.
  void let_run(std::uint32_t id);

 private:
  struct Open {
    guest::MessageType type{};
    Answer answer;
    bool answered = false;
    bool running = false;  // a program whose exit will be an event
    bool let_go = false;
    Extents extents = {};
  };

  template <class M>
  Status send(std::uint32_t id, const M& message) {
    const auto frame = guest::encode_frame(id, message);
    if (!frame) return fail(Blame::kInput, "a request to the agent is over 1 MiB");
    outlets_.send(*frame);
    return {};
  }

  void on_frame(const guest::Frame& frame);
  void on_hello(std::uint32_t id, guest::Hello hello);
  void start_over();
  void on_heartbeat(const guest::Heartbeat& heartbeat);
  void on_done(std::uint32_t id, guest::Done done);
  void on_output(std::uint32_t id, guest::Output output);
  void on_exited(std::uint32_t id, const guest::Exited& exited);
  void on_file_chunk(std::uint32_t id, const guest::FileChunk& chunk);
  void on_watchdog_armed(std::uint32_t id, const guest::WatchdogArmed& armed);
  void on_file_extent(std::uint32_t id, const guest::FileExtent& extent);
  bool is_stale(std::uint32_t id) const { return id != 0 && id < first_id_; }
  void break_off(std::string why);
  Open* find(std::uint32_t id, guest::MessageType type);

  Outlets outlets_;
  guest::FrameDecoder decoder_;
  std::optional<GuestInfo> info_;
  std::optional<Error> broken_;
  std::map<std::uint32_t, Open> open_;
  std::uint32_t next_id_ = 1;
  std::uint32_t first_id_ = 1;  // of this agent's; lower ones were asked of the kernel that crashed
  bool capture_expected_ = false;
};

}  // namespace rig::vm
