// SPDX-License-Identifier: Apache-2.0
// The event loop of one machine and its byte streams. Asio stays inside loop.cc and child.cc, so
// that whoever speaks over a stream needs neither its headers nor its threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/deadline.h"
#include "base/file.h"

namespace rig::vm {

class Loop {
 public:
  static Result<Loop> create();  // fails when descriptors run out
  Loop(Loop&&) noexcept;         // before anything is on it
  ~Loop();

  enum class Woke { kCondition, kDeadline, kCancelled };

  // Handles what comes until `condition` holds, asked after each handler. A fired stop token wins
  // over a condition that holds; a passed deadline still sees what has already arrived.
  Woke run_until(const std::function<bool()>& condition, Deadline deadline,
                 const std::stop_token& stop = {});

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit Loop(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Work for a loop from other threads, in order. May outlive the loop: what is posted after close()
// is dropped.
class Mailbox {
 public:
  explicit Mailbox(Loop& loop);
  ~Mailbox();
  void post(std::function<void()> work);  // from any thread; `work` is run by run_until()
  void close();                           // from the loop's thread, before the loop goes

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// A socket or the reading end of a pipe, on the loop. Reads as long as it lives; writes are queued.
class Channel {
 public:
  struct Handlers {
    std::function<void(std::string_view)> on_bytes;
    std::function<void()> on_end = [] {};  // the other side closed it, or it broke; called once
  };

  // Takes `fd` and makes it non-blocking. The loop must outlive the channel.
  static Result<std::unique_ptr<Channel>> create(Loop& loop, UniqueFd fd, Handlers handlers,
                                                 std::size_t read_size = 64 << 10);
  ~Channel();  // no handler is called any more
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Sockets only. `passed_fd` travels with the first byte (SCM_RIGHTS); it is duplicated here, so
  // the caller may close its own at once.
  void write(std::string bytes, std::optional<int> passed_fd = {});
  std::size_t unsent() const;

  // Hands on what has already arrived, without waiting: what came first is then seen first.
  void drain();
  void close();  // ends it from this side
  bool ended() const;

  struct State;
  explicit Channel(std::shared_ptr<State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<State> state_;
};

// Two connected stream sockets, both close-on-exec.
Result<std::pair<UniqueFd, UniqueFd>> socket_pair();

}  // namespace rig::vm
