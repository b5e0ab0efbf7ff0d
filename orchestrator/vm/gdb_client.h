// SPDX-License-Identifier: Apache-2.0
// A debugger's side of QEMU's gdbstub: breakpoints, and where a CPU stopped at one. The guest is
// stopped and resumed through QMP, never from here, so that one side alone decides whether it runs.
//
// QEMU takes any byte as Ctrl-C while the guest runs, but for the "+" that it waits for. So
// requests are for stopped guests only, their answers are acknowledged, and a stop is not: the next
// request does it. (gdbstub.c, gdb_read_byte(); it has no QStartNoAckMode.)
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "base/arch.h"
#include "base/error.h"
#include "vm/gdb_packet.h"
#include "vm/loop.h"

namespace rig::vm {

class GdbClient {
 public:
  using Reply = Result<std::string>;

  static Result<std::unique_ptr<GdbClient>> create(Loop& loop, UniqueFd socket,
                                                   std::function<void(const GdbStop&)> on_stop);

  // Sends a request and waits for its answer. Silence until the deadline and a broken connection
  // are Blame::kRig.
  Reply execute(std::string request, Deadline deadline, const std::stop_token& stop = {});
  // The same without waiting: `on_reply` is called from the loop. One request is under way at a
  // time, the others wait for their turn.
  void send(std::string request, std::function<void(Reply)> on_reply);

  // A hardware breakpoint (Z1): nothing is written into the guest's memory, so the core shows the
  // kernel's own code. Returns false when there are no more of them, which happens with KVM only.
  Result<bool> insert(std::uint64_t address, Deadline deadline, const std::stop_token& stop = {});
  Status remove(std::uint64_t address, Deadline deadline, const std::stop_token& stop = {});
  // Where the CPU stands; answers that are no registers break the conversation.
  void locate(Arch arch, unsigned cpu, std::function<void(Result<std::uint64_t>)> on_reply);

  void drain() { channel_->drain(); }
  // What broke the protocol; a connection that was closed did not.
  const std::optional<std::string>& broken() const { return broken_; }

 private:
  struct Request {
    std::string text;
    std::function<void(Reply)> on_reply;
  };

  GdbClient(Loop& loop, std::function<void(const GdbStop&)> on_stop)
      : loop_(loop), on_stop_(std::move(on_stop)) {}

  void feed(std::string_view bytes);
  void on_packet(std::string payload);
  void send_next();
  void fail_all(std::string_view why);
  void break_off(std::string why);

  Loop& loop_;
  std::function<void(const GdbStop&)> on_stop_;
  GdbDecoder decoder_;
  std::deque<Request> requests_;  // the first one is under way
  std::optional<std::string> broken_;
  bool closed_ = false;
  std::unique_ptr<Channel> channel_;  // last: its handlers use the rest
};

}  // namespace rig::vm
